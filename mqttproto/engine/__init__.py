"""What every client needs, whatever it waits with; sans-IO."""
