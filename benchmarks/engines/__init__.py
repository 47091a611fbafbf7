"""The libraries whose connections the benchmarks compare, one module each."""
