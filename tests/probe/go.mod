// A program that tries what a renderer's worker must not be able to do.
module driftless.dev/tests/probe

go 1.26.0
