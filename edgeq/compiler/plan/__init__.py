"""From a graph to a program: kernel calls, their order, and where their memory lies."""
