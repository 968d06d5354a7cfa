"""Forms for cores with the DSP extension; the kernels lie in kernels/dsp."""
