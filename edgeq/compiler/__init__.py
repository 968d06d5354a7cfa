"""From a graph to C.

`plan` orders calls and memory, `ops` says what each op becomes, `codegen` prints, `build` compiles.
"""
