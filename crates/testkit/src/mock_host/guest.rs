//! A hostcall's view of the calling module: its memory, its allocator, the host's state.

use std::collections::BTreeSet;

use wasmi::{Caller, Error, Memory, TypedFunc};

use super::budget::Budget;
use super::call::Call;
use super::status::Status;
use super::world::World;

/// The host's side of one VM.
#[derive(Default)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) budget: Budget,
    /// Contexts that have been created and not yet deleted.
    pub(super) contexts: BTreeSet<u32>,
    pub(super) memory: Option<Memory>,
    pub(super) allocate: Option<TypedFunc<u32, u32>>,
    /// Calls into the module's allocator in this callback, and their bytes.
    pub(super) allocations: usize,
    pub(super) allocated_bytes: usize,
}

/// The calling module, during a hostcall.
pub(super) struct Guest<'a>(Caller<'a, State>);

impl<'a> Guest<'a> {
    pub(super) fn new(caller: Caller<'a, State>) -> Self {
        Self(caller)
    }

    pub(super) fn world(&mut self) -> &mut World {
        &mut self.0.data_mut().world
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.0.data_mut()
    }

    /// Makes a hostcall, answered by `answer`, if it is allowed and not set to fail.
    pub(super) fn hostcall(
        &mut self,
        name: &'static str,
        argument: impl Into<String>,
        answer: impl FnOnce(&mut Self) -> Result<Status, Error>,
    ) -> Result<u32, Error> {
        let call = Call { name, argument: argument.into() };
        match self.state().budget.admit(call) {
            Ok(Some(status)) => Ok(status.0),
            Ok(None) => answer(self).map(|status| status.0),
            Err(violation) => Err(self.violation(violation)),
        }
    }

    /// Ends the callback and fails the test.
    pub(super) fn violation(&mut self, reason: String) -> Error {
        self.state().budget.violation = Some(reason.clone());
        Error::new(reason)
    }

    /// Reads memory; an out-of-bounds region is the module's fault and fails the test.
    pub(super) fn bytes(&mut self, at: u32, len: u32) -> Result<Vec<u8>, Error> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        match self.memory()?.data(&self.0).get(start..end) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(self.violation(format!("reads {len} bytes at {at}, outside its memory"))),
        }
    }

    /// Reads text; bytes that are not UTF-8 fail the test.
    pub(super) fn text(&mut self, at: u32, len: u32) -> Result<String, Error> {
        String::from_utf8(self.bytes(at, len)?)
            .map_err(|error| self.violation(format!("passes a name that is not UTF-8: {error}")))
    }

    /// Writes memory.
    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Error> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let memory = self.memory()?;
        memory.write(&mut self.0, start, bytes).map_err(|error| {
            self.violation(format!("wants {} bytes at {at}: {error}", bytes.len()))
        })
    }

    /// Writes a 32-bit number.
    pub(super) fn write_u32(&mut self, at: u32, value: u32) -> Result<(), Error> {
        self.write(at, &value.to_le_bytes())
    }

    /// Passes bytes to the module, in memory that it allocates, or a null pointer if there are
    /// none; pointer and length are written where the module asked for them.
    pub(super) fn give(
        &mut self,
        bytes: &[u8],
        pointer_at: u32,
        length_at: u32,
    ) -> Result<Status, Error> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let pointer = if bytes.is_empty() { 0 } else { self.allocate(len)? };
        self.write(pointer, bytes)?;
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(length_at, len)?;
        Ok(Status::OK)
    }

    fn allocate(&mut self, len: u32) -> Result<u32, Error> {
        let state = self.state();
        state.allocations += 1;
        let bytes = usize::try_from(len).unwrap_or(usize::MAX);
        state.allocated_bytes += bytes;
        let Some(allocate) = state.allocate else {
            return Err(self.violation("exports no allocator".to_owned()));
        };
        match allocate.call(&mut self.0, len)? {
            0 => Err(self.violation(format!("its allocator has no {len} bytes"))),
            pointer => Ok(pointer),
        }
    }

    fn memory(&mut self) -> Result<Memory, Error> {
        match self.state().memory {
            Some(memory) => Ok(memory),
            None => Err(self.violation("exports no memory".to_owned())),
        }
    }
}
