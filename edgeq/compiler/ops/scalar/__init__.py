"""Forms for cores without SIMD; the kernels lie in kernels/scalar."""
