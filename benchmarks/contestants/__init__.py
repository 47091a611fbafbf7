"""The libraries that the benchmarks compare, one module each."""
