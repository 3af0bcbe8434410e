//! A module, compiled once and started any number of times.

use wasmi::{CompilationMode, Config, Engine, Error, ExternType, Instance, Linker, Module, Store};

use super::budget::Failure;
use super::guest::{Guest, State};
use super::{hostcalls, wasi};

/// A module that Envoy would load: all its imports are defined.
pub struct Program {
    engine: Engine,
    module: Module,
    linker: Linker<State>,
}

impl Program {
    /// Compiles a module: binary, or text in WAT.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn new(wasm: &[u8]) -> Result<Self, Failure> {
        Self::compile(wasm).map_err(|error| Failure::load(&error))
    }

    fn compile(wasm: &[u8]) -> Result<Self, Error> {
        let mut config = Config::default();
        // Compile eagerly, so that a callback's instruction count excludes the compiler's.
        config.consume_fuel(true).compilation_mode(CompilationMode::Eager);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        hostcalls::link(&mut linker)?;
        wasi::link(&mut linker)?;
        stub_the_rest(&mut linker, &module)?;
        Ok(Self { engine, module, linker })
    }

    /// The module's imports, as `module.name`, in order.
    pub fn imports(&self) -> Vec<String> {
        let imports = self.module.imports();
        imports.map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    pub(super) fn store(&self, state: State) -> Store<State> {
        Store::new(&self.engine, state)
    }

    pub(super) fn instantiate(&self, store: &mut Store<State>) -> Result<Instance, Error> {
        self.linker.instantiate_and_start(store, &self.module)
    }
}

/// Defines the imports that Envoy has and this host does not model, so that the module can be
/// loaded.
fn stub_the_rest(linker: &mut Linker<State>, module: &Module) -> Result<(), Error> {
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        let known = match from {
            "env" => hostcalls::NOT_MODELLED.contains(&name),
            "wasi_snapshot_preview1" => wasi::NOT_MODELLED.contains(&name),
            _ => false,
        };
        let ExternType::Func(signature) = import.ty() else { continue };
        if known {
            let owned = name.to_owned();
            linker.func_new(from, name, signature.clone(), move |caller, _, _| {
                Err(Guest::new(caller).violation(format!("makes {owned}, which is not modelled")))
            })?;
        }
    }
    Ok(())
}
