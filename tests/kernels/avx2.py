"""What Numba is told, as NUMBA_CPU_FEATURES, of a CPU with AVX2 alone; its name is haswell."""

FEATURES = "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2"
