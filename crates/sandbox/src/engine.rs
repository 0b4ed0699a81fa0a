//! The engine: the compiled image and what all sessions of a process share.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use wasmtime::{Config, InstancePre, Linker, OptLevel};

use crate::{
    Error, Limits, Permissions, Session, SessionOptions,
    fs::Library,
    guest::Guest,
    guest_memory::Probes,
    host::{self, State},
    image::{self, Progress},
    imports::{Image, WeakImage},
    mapped::Mapped,
    snapshot::{self, Snapshot},
    stop, wasi,
    watch::Watch,
};

/// Native stack that guest code may use. With less, recursion in the guest's C code traps before CPython's own checks
/// see it.
const GUEST_STACK_BYTES: usize = 64 << 20;
/// Stack below it that host functions have when they are called at its very end.
const HOST_STACK_BYTES: usize = 2 << 20;
/// Must exceed the image, or each instance copies it instead of mapping it.
const LARGEST_IMAGE_BYTES: u64 = 512 << 20;

/// Loads the image once and makes sessions of it. Cheap to clone; one is enough for a process.
///
/// ```
/// use keelback_sandbox::{Engine, Outcome, SessionOptions};
///
/// let engine = Engine::new()?;
/// let mut session = engine.session(SessionOptions::default())?;
/// let report = session.run("import math\nmath.comb(50, 25)")?;
/// assert!(matches!(report.outcome, Outcome::Value { repr, .. } if repr == "126410606437752"));
/// # Ok::<(), keelback_sandbox::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) pre: InstancePre<State>,
    pub(crate) exports: Exports,
    pub(crate) library: Library,
    pub(crate) watch: Watch,
    pub(crate) probes: OnceLock<Probes>,
    /// The linear memory of a fresh instance.
    pub(crate) pristine: Mapped,
    /// Instances put back to the image, for the next sessions.
    idle: Mutex<Vec<Idle>>,
}

/// How many instances are kept for the next sessions, each with about 1 MB.
const MAX_IDLE: usize = 32;

/// An instance that belongs to no session, and what it was put back to.
struct Idle {
    guest: Guest,
    image: Option<WeakImage>,
}

impl Inner {
    /// An instance put back to `image`, or with None to the plain one, if there is one.
    pub(crate) fn take_idle(&self, image: Option<&Image>) -> Option<Guest> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |kept: &Idle| match (&kept.image, image) {
            (None, None) => true,
            (Some(kept), Some(image)) => kept.is(image),
            _ => false,
        };
        let index = idle.iter().rposition(is_of)?;
        Some(idle.remove(index).guest)
    }

    /// Keeps an instance for the next session, when it can be put back to the image.
    ///
    /// A fresh instance costs some 250 page faults, half a millisecond; this one keeps its pages and has the changed
    /// ones overwritten, so that nothing of the old session is left.
    pub(crate) fn keep_idle(&self, mut guest: Guest) {
        let image = guest.image().map(Image::downgrade);
        let is_other = |kept: &Idle| match (&kept.image, &image) {
            (Some(kept), Some(image)) => !kept.is_same(image),
            (kept, image) => kept.is_some() != image.is_some(),
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of images that nobody can use any more; they and their memory go when the lock is free again.
        let mut gone: Vec<Idle> =
            idle.extract_if(.., |kept| kept.image.as_ref().is_some_and(WeakImage::is_gone)).collect();
        if idle.len() >= MAX_IDLE
            && let Some(oldest) = idle.iter().position(is_other)
        {
            gone.push(idle.remove(oldest));
        }
        let full = idle.len() >= MAX_IDLE;
        drop(idle);
        drop(gone);
        if !full && guest.reset(self) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { guest, image });
        }
    }
}

/// Where the module keeps what a session calls.
pub(crate) struct Exports {
    pub(crate) memory: wasmtime::ModuleExport,
    pub(crate) stack_pointer: wasmtime::ModuleExport,
    pub(crate) alloc: wasmtime::ModuleExport,
    pub(crate) request: wasmtime::ModuleExport,
    pub(crate) result: wasmtime::ModuleExport,
    pub(crate) probes: wasmtime::ModuleExport,
}

impl Engine {
    /// Loads the compiled image from the user's cache, or compiles it there, which takes up to a minute.
    ///
    /// # Errors
    /// [`Error::Cache`] when the cache cannot be used; [`Error::Engine`] when the machine cannot run the image.
    pub fn new() -> Result<Self, Error> {
        Self::with_progress(|_| ())
    }

    /// As [`Engine::new`]; tells `progress` when there is something to wait for.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_progress(mut progress: impl FnMut(Progress)) -> Result<Self, Error> {
        let install = stop::install();
        install.map_err(|error| Error::Engine(format!("cannot install a fault handler: {error}")))?;
        let engine = wasmtime::Engine::new(&config()).map_err(Error::engine)?;
        let image = image::load(&engine, &mut progress)?;
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker, |state: &mut State| &mut state.wasi).map_err(Error::engine)?;
        host::add_to_linker(&mut linker).map_err(Error::engine)?;
        let pre = linker.instantiate_pre(&image.module).map_err(Error::engine)?;
        let export = |name: &str| {
            let missing = || Error::Image { reason: format!("it has no export `{name}`") };
            image.module.get_export_index(name).ok_or_else(missing)
        };
        let exports = Exports {
            memory: export("memory")?,
            stack_pointer: export("__stack_pointer")?,
            alloc: export("kb_alloc")?,
            request: export("kb_request")?,
            result: export("kb_result")?,
            probes: export("kb_probes")?,
        };
        let library = Library::new(Arc::new(image.library));
        let watch = Watch::start().map_err(|error| Error::Engine(format!("cannot start a thread: {error}")))?;
        let inner = Inner {
            engine,
            pre,
            exports,
            library,
            watch,
            probes: OnceLock::new(),
            pristine: image.memory,
            idle: Mutex::default(),
        };
        Ok(Engine(Arc::new(inner)))
    }

    /// A fresh session.
    ///
    /// # Errors
    /// [`Error::Grant`] when a granted path is missing or cannot be where it is asked for; [`Error::Tool`] and
    /// [`Error::Limit`] for those that make no sense.
    pub fn session(&self, options: SessionOptions) -> Result<Session, Error> {
        Session::start(self, options)
    }

    /// A session that goes on where the saved one stood, with grants, tools and limits of the caller's choice.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the file is none of this version's snapshots, is damaged, or was saved with another
    /// [`Image`] than that of `options`; and as [`Engine::session`].
    pub fn load(&self, path: &Path, options: SessionOptions) -> Result<Session, Error> {
        let bytes = snapshot::read(path, &options.limits)?;
        let snapshot = Snapshot::decode(&bytes, path, &options.limits)?;
        snapshot.check_image(path, options.image.as_ref())?;
        Session::resume(self, snapshot, options)
    }

    pub(crate) fn tools(permissions: &Permissions) -> Result<HashMap<String, crate::Tool>, Error> {
        let mut tools = HashMap::new();
        for tool in &permissions.tools {
            tool.check()?;
            if tools.insert(tool.name.clone(), tool.clone()).is_some() {
                return Err(Error::Tool { name: tool.name.clone(), reason: "there are two of that name" });
            }
        }
        Ok(tools)
    }

    pub(crate) fn check(limits: &Limits) -> Result<(), Error> {
        limits.check()
    }
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.max_wasm_stack(GUEST_STACK_BYTES);
    config.async_stack_size(GUEST_STACK_BYTES + HOST_STACK_BYTES);
    config.memory_guaranteed_dense_image_size(LARGEST_IMAGE_BYTES);
    config.cranelift_opt_level(OptLevel::Speed);
    // Traps are reported as one line: nobody has the guest's C sources at hand.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    stop::configure(&mut config);
    config
}
