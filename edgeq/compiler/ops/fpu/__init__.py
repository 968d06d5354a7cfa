"""Forms for Arm cores with an FPU; the kernels lie in kernels/fpu."""
