//! Harness for the tests of the public surface.

pub mod mock_host;
