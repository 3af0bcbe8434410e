//! Harness for the tests of the public surface.
