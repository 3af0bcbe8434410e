//! A module, loaded and driven as Envoy would.

use wasmi::{Error, Func, Instance, Store, Val};

use super::budget::{Failure, Fault};
use super::call::{Call, Expected};
use super::guest::State;
use super::program::Program;
use super::status::Map;
use super::world::{Answer, View, World};

/// Maximum instructions of a callback; one that takes more is considered hung.
const FUEL: u64 = 200_000_000;

/// What a callback tells the host to do with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Continue.
    Continue,
    /// Pause: the filter must never return this.
    Pause,
}

/// A VM with one module, and the world around it.
///
/// Every callback panics with a [`Failure`] when the module traps or violates its budget;
/// [`MockHost::call`] returns it instead.
pub struct MockHost {
    store: Store<State>,
    instance: Instance,
    dead: Option<String>,
    fuel: u64,
}

impl MockHost {
    /// Starts a program in a world and runs its initialization, during which any hostcall is
    /// allowed. The host is strict from then on.
    ///
    /// # Panics
    ///
    /// If the module lacks an allocator, or traps.
    pub fn start(program: &Program, world: World) -> Self {
        Self::try_start(program, world).unwrap_or_else(|failure| report(&failure))
    }

    /// Like [`MockHost::start`], with the failure as a value.
    pub fn try_start(program: &Program, world: World) -> Result<Self, Failure> {
        let mut host = Self::instantiate(program, world).map_err(|error| Failure::load(&error))?;
        host.lenient();
        host.call("_initialize", &[])?;
        host.strict();
        Ok(host)
    }

    fn instantiate(program: &Program, world: World) -> Result<Self, Error> {
        let mut store = program.store(State { world, ..State::default() });
        store.set_fuel(FUEL)?;
        let instance = program.instantiate(&mut store)?;
        let memory = instance.get_memory(&store, "memory");
        // Like Envoy: `malloc` if exported, otherwise the SDK's name for it.
        let allocate = ["malloc", "proxy_on_memory_allocate"]
            .iter()
            .find_map(|name| instance.get_typed_func(&store, name).ok());
        if allocate.is_none() {
            return Err(Error::new("exports neither malloc nor proxy_on_memory_allocate"));
        }
        let state = store.data_mut();
        state.memory = memory;
        state.allocate = allocate;
        Ok(Self { store, instance, dead: None, fuel: 0 })
    }

    /// What the module sees.
    pub fn world(&self) -> &World {
        &self.store.data().world
    }

    /// What the module sees, for changes.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.store.data_mut().world
    }

    /// Expects the next callback to make exactly these hostcalls, in this order.
    pub fn expect(&mut self, calls: impl IntoIterator<Item = Expected>) {
        self.store.data_mut().budget.expected.extend(calls);
    }

    /// Allows any hostcall from now on.
    pub fn lenient(&mut self) {
        self.store.data_mut().budget.lenient = true;
    }

    /// Allows only expected calls from now on: the state after loading.
    pub fn strict(&mut self) {
        self.store.data_mut().budget.lenient = false;
    }

    /// Makes hostcalls fail from now on.
    pub fn fail(&mut self, fault: Fault) {
        self.store.data_mut().budget.set_fault(Some(fault));
    }

    /// Clears the fault, so that hostcalls succeed again.
    pub fn heal(&mut self) {
        self.store.data_mut().budget.set_fault(None);
    }

    /// Whether the call that [`Fault::Nth`] targets has been made.
    pub fn fault_reached(&self) -> bool {
        self.store.data().budget.fault_reached()
    }

    /// The hostcalls of the last callback.
    pub fn calls(&self) -> &[Call] {
        &self.store.data().budget.calls
    }

    /// How many times the host used the module's allocator in the last callback.
    pub fn allocations(&self) -> usize {
        self.store.data().allocations
    }

    /// How many bytes the host allocated in the module in the last callback.
    pub fn allocated_bytes(&self) -> usize {
        self.store.data().allocated_bytes
    }

    /// Instructions that the last callback took, as the interpreter counts them: the same input
    /// always takes the same number.
    pub fn instructions(&self) -> u64 {
        self.fuel
    }

    /// Size of the module's memory, in bytes; it never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// The names of the exported functions, sorted.
    pub fn exports(&self) -> Vec<String> {
        let functions = self.instance.exports(&self.store);
        let functions = functions.filter(|export| export.clone().into_func().is_some());
        let mut names: Vec<_> = functions.map(|export| export.name().to_owned()).collect();
        names.sort();
        names
    }

    /// Calls an export by name; returns `None` if the module lacks it, because Envoy skips
    /// callbacks that are not exported.
    pub fn call(&mut self, name: &str, arguments: &[u32]) -> Result<Option<u32>, Failure> {
        let text: Vec<_> = arguments.iter().map(u32::to_string).collect();
        let callback = format!("{name}({})", text.join(", "));
        self.begin();
        let logged = self.world().logs.len();
        let outcome = match (&self.dead, self.instance.get_func(&self.store, name)) {
            (Some(killer), _) => Err(format!("the VM is dead since {killer}")),
            (None, None) => Ok(None),
            (None, Some(function)) => self.run(function, arguments),
        };
        self.fuel = FUEL.saturating_sub(self.store.get_fuel().unwrap_or(FUEL));
        let budget = &mut self.store.data_mut().budget;
        let missing = budget.missing();
        let outcome = match (outcome, missing) {
            (Ok(_), Some(missing)) => Err(missing),
            (outcome, _) => outcome,
        };
        outcome.map_err(|reason| {
            let state = self.store.data();
            let logs = state.world.logs.get(logged..).unwrap_or_default().to_vec();
            Failure { callback, reason, calls: state.budget.calls.clone(), logs }
        })
    }

    fn begin(&mut self) {
        let state = self.store.data_mut();
        state.budget.calls.clear();
        state.budget.violation = None;
        state.allocations = 0;
        state.allocated_bytes = 0;
    }

    fn run(&mut self, function: Func, arguments: &[u32]) -> Result<Option<u32>, String> {
        let arguments: Vec<_> =
            arguments.iter().map(|number| Val::I32(number.cast_signed())).collect();
        let results = function.ty(&self.store).results().len();
        let mut answer = vec![Val::I32(0); results];
        self.store.set_fuel(FUEL).map_err(|error| error.to_string())?;
        match function.call(&mut self.store, &arguments, &mut answer) {
            Ok(()) => Ok(match answer.first() {
                Some(Val::I32(number)) => Some(number.cast_unsigned()),
                _ => Some(0),
            }),
            Err(error) => {
                let violation = self.store.data_mut().budget.violation.take();
                let reason = violation.unwrap_or_else(|| format!("trap: {error}"));
                self.dead = Some(reason.clone());
                Err(reason)
            }
        }
    }

    /// Runs a callback with the given view, and panics if it fails.
    fn callback(&mut self, name: &str, arguments: &[u32], view: View) -> Option<u32> {
        self.world_mut().view = view;
        let outcome = self.call(name, arguments);
        self.world_mut().view = View::default();
        outcome.unwrap_or_else(|failure| report(&failure))
    }

    /// Creates a root context.
    pub fn create_root(&mut self, root: u32) {
        self.store.data_mut().contexts.insert(root);
        self.callback("proxy_on_context_create", &[root, 0], of(root));
    }

    /// Starts the VM with the world's VM configuration; returns whether the module accepted it.
    pub fn vm_start(&mut self, root: u32) -> bool {
        let size = length(&self.world().vm_configuration);
        self.callback("proxy_on_vm_start", &[root, size], of(root)) != Some(0)
    }

    /// Passes a plugin configuration; returns whether the module accepted it.
    pub fn configure(&mut self, root: u32, configuration: impl AsRef<[u8]>) -> bool {
        self.world_mut().plugin_configuration = configuration.as_ref().to_vec();
        let size = length(configuration.as_ref());
        let view = View { configuring: true, ..of(root) };
        self.callback("proxy_on_configure", &[root, size], view) != Some(0)
    }

    /// Fires the root context's timer.
    pub fn tick(&mut self, root: u32) {
        self.callback("proxy_on_tick", &[root], of(root));
    }

    /// Creates a stream's context. The test sets up the stream itself, in the world.
    pub fn create_stream(&mut self, stream: u32, root: u32) {
        self.world_mut().streams.entry(stream).or_default();
        self.store.data_mut().contexts.insert(stream);
        self.callback("proxy_on_context_create", &[stream, root], in_stream(stream, &[]));
    }

    /// The stream's request headers arrived.
    pub fn request_headers(&mut self, stream: u32, end_of_stream: bool) -> Action {
        let map = Map::RequestHeaders;
        self.headers("proxy_on_request_headers", stream, map, &[u32::from(end_of_stream)])
    }

    /// The stream's request trailers arrived.
    pub fn request_trailers(&mut self, stream: u32) -> Action {
        self.headers("proxy_on_request_trailers", stream, Map::RequestTrailers, &[])
    }

    /// The stream's response headers arrived.
    pub fn response_headers(&mut self, stream: u32, end_of_stream: bool) -> Action {
        let map = Map::ResponseHeaders;
        self.headers("proxy_on_response_headers", stream, map, &[u32::from(end_of_stream)])
    }

    /// The stream's response trailers arrived.
    pub fn response_trailers(&mut self, stream: u32) -> Action {
        self.headers("proxy_on_response_trailers", stream, Map::ResponseTrailers, &[])
    }

    fn headers(&mut self, name: &str, stream: u32, map: Map, more: &[u32]) -> Action {
        let maps: &'static [Map] = match map {
            Map::RequestHeaders => &[Map::RequestHeaders],
            Map::RequestTrailers => &[Map::RequestTrailers],
            Map::ResponseHeaders => &[Map::ResponseHeaders],
            _ => &[Map::ResponseTrailers],
        };
        let view = View { writable: maps, ..in_stream(stream, maps) };
        self.world_mut().view = view.clone();
        let count = self.world().map(map).map_or(0, super::headers::Headers::len);
        let mut arguments = vec![stream, u32::try_from(count).unwrap_or(u32::MAX)];
        arguments.extend_from_slice(more);
        match self.callback(name, &arguments, view) {
            None | Some(0) => Action::Continue,
            Some(_) => Action::Pause,
        }
    }

    /// The stream has ended and is ready to be logged: the maps can be read, and only filter state
    /// can be set.
    pub fn log(&mut self, stream: u32) {
        let view = View { logging: true, ..in_stream(stream, LOGGED) };
        self.callback("proxy_on_log", &[stream], view);
    }

    /// The root context logs a stream that has no context: the access-logger mode. Not even filter
    /// state can be set.
    pub fn log_on_root(&mut self, root: u32, stream: u32) {
        let view = View { stream: Some(stream), logging: true, readable: LOGGED, ..of(root) };
        self.callback("proxy_on_log", &[root], view);
    }

    /// A context is about to end; returns whether it is done. The host waits for a root context
    /// that is not, until it calls `proxy_done`.
    pub fn done(&mut self, context: u32) -> bool {
        let stream = self.world().streams.contains_key(&context);
        let view = if stream { in_stream(context, &[]) } else { of(context) };
        let agreed = self.callback("proxy_on_done", &[context], view) != Some(0);
        if !agreed && !stream {
            self.world_mut().pending_done.insert(context);
        }
        agreed
    }

    /// A context has ended.
    pub fn delete(&mut self, context: u32) {
        self.callback("proxy_on_delete", &[context], of(context));
        self.store.data_mut().contexts.remove(&context);
        self.world_mut().streams.remove(&context);
    }

    /// A callout response arrived, for the root context that sent the callout.
    pub fn answer(&mut self, root: u32, token: u32, answer: Answer) {
        let headers = u32::try_from(answer.headers.len()).unwrap_or(u32::MAX);
        let trailers = u32::try_from(answer.trailers.len()).unwrap_or(u32::MAX);
        let arguments = [root, token, headers, length(&answer.body), trailers];
        let view = View { answer: Some(answer), ..of(root) };
        self.callback("proxy_on_http_call_response", &arguments, view);
    }
}

/// Fails the test.
#[expect(clippy::panic, reason = "that is how a test fails")]
fn report(failure: &Failure) -> ! {
    panic!("{failure}")
}

const LOGGED: &[Map] = &[Map::RequestHeaders, Map::ResponseHeaders, Map::ResponseTrailers];

fn of(context: u32) -> View {
    View { context, ..View::default() }
}

fn in_stream(stream: u32, readable: &'static [Map]) -> View {
    View { stream: Some(stream), filter_state: true, readable, ..of(stream) }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
