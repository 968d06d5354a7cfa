"""The same on several devices, or with several runtimes on one; what fails loses no other."""
