"""Forms for cores with MVE (Helium); the kernels lie in kernels/mve."""
