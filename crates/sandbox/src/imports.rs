//! Images with imports: the linear memory of a session that has imported what many sessions will want, from which they
//! then begin as from the plain image. What belongs to a session of the host's (files, grants, tools, limits) is not in an
//! image, only where packages are found.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Weak},
};

use keelback_session::{Cell, Outcome};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Engine, Error, Permissions, SessionOptions, image,
    mapped::{Mapped, Shared},
    packages::Packages,
    pages::{self, PAGE},
    snapshot::{self, MemoryMap, SavedImage, SnapshotError},
    wasi::Time,
};

/// What sessions begin with instead of the plain image: modules imported once, found by their `import` at no cost. Cheap
/// to clone; for any engine of the process.
///
/// The modules are in `sys.modules`; the namespace of a session is empty as ever. Their packages are granted to every
/// session of the image, read-only. Randomness, arguments, environment and clock are each session's own; what a module
/// computed when it was imported is the same in all of them, also where it is random.
///
/// ```
/// use keelback_sandbox::{Engine, Image, Outcome, SessionOptions};
///
/// let engine = Engine::new()?;
/// let image = Image::with_imports(&engine, ["sqlite3", "xml.dom.minidom"], SessionOptions::default())?;
/// let mut session = engine.session(SessionOptions::default().image(image))?;
/// let report = session.run("import sys\n'xml.dom.minidom' in sys.modules")?;
/// assert!(matches!(report.outcome, Outcome::Value { repr, .. } if repr == "True"));
/// # Ok::<(), keelback_sandbox::Error>(())
/// ```
#[derive(Clone)]
pub struct Image(Arc<Data>);

struct Data {
    memory: Shared,
    stack_pointer: i32,
    time: Time,
    name: ImageName,
    packages: Vec<Packages>,
    /// Linear memory of the plain image.
    plain: Mapped,
}

/// Which image it is: two with the same number have the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageName {
    id: u128,
    imports: Vec<String>,
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let imports: Vec<String> = self.imports.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "image {:08x} (imports of {})", self.id >> 96, imports.join(", "))
    }
}

/// What is in a file of an image beside its memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    time: Time,
    imports: Vec<String>,
    /// How many paths of packages it was made with.
    packages: usize,
}

/// Why an image cannot be made of imports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ImageError {
    #[error("`{module}` is not the name of a module")]
    Name { module: String },
    #[error("importing `{module}` failed: {reason}")]
    Import { module: String, reason: String },
    #[error("the imports left `{path}` open, and an image holds no open files")]
    OpenFile { path: String },
    #[error("the image was saved with {saved} paths of packages, and {given} are given")]
    Packages { saved: usize, given: usize },
    #[error("cannot keep the image in memory")]
    Memory { source: std::io::Error },
}

impl Image {
    /// Imports `modules` in a session with `options`, and makes an image of it. That takes a little longer than the
    /// imports do. Sessions of the image have its packages; of the other options they have none, nor files that the
    /// imports made in `/work` and `/tmp`. Each import has the time and output of one cell; what it prints is dropped.
    ///
    /// # Errors
    /// [`Error::Imports`] naming the module that could not be imported and why; as [`Engine::session`]; and
    /// [`Error::Snapshot`] naming a tool call or a connection that the imports left.
    pub fn with_imports(
        engine: &Engine,
        modules: impl IntoIterator<Item = impl Into<String>>,
        options: SessionOptions,
    ) -> Result<Self, Error> {
        let before = options.image.as_ref();
        let mut imports = before.map_or_else(Vec::new, |image| image.0.name.imports.clone());
        let mut packages = before.map_or_else(Vec::new, |image| image.0.packages.clone());
        packages.extend_from_slice(&options.permissions.packages);
        let mut session = engine.session(options)?;
        for module in modules {
            let module = module.into();
            let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !module.split('.').all(is_name) {
                return Err(ImageError::Name { module }.into());
            }
            let source = format!("__import__('importlib').import_module({module:?}) and None");
            let cell = Cell::from(source).filename("<imports>");
            if let Some(reason) = failure(session.run(cell)?.outcome) {
                return Err(ImageError::Import { module, reason }.into());
            }
            imports.push(module);
        }
        let settle = format!("exec({SETTLE:?}, {{'__name__': '_keelback_imports'}})");
        for source in [settle.as_str(), FILL] {
            if let Some(reason) = failure(session.run(Cell::from(source).filename("<imports>"))?.outcome) {
                return Err(Error::Protocol(format!("imports: {reason}")));
            }
        }
        let (memory, stack_pointer, time) = session.whole()?;
        Self::new(engine, memory, stack_pointer, time, imports, packages)
    }

    fn new(
        engine: &Engine,
        memory: &[u8],
        stack_pointer: i32,
        time: Time,
        imports: Vec<String>,
        packages: Vec<Packages>,
    ) -> Result<Self, Error> {
        let mut hasher = Xxh3::new();
        hasher.update(&image::id().to_le_bytes());
        hasher.update(&stack_pointer.to_le_bytes());
        hasher.update(memory);
        let name = ImageName { id: hasher.digest128(), imports };
        let memory = Shared::new(memory).map_err(|source| ImageError::Memory { source })?;
        let plain = engine.0.pristine.clone();
        Ok(Image(Arc::new(Data { memory, stack_pointer, time, name, packages, plain })))
    }

    /// Writes the image to a file, from which [`Image::load`] brings it back in any process of this version. The packages
    /// are not in it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let (memory, plain) = (self.memory(), self.0.plain.as_ref());
        let pages = pages::by_comparison(memory, plain);
        let map = MemoryMap { len: memory.len() as u64, stack_pointer: self.0.stack_pointer, pages };
        let imports = self.0.name.imports.clone();
        let about = About { time: self.0.time, imports, packages: self.0.packages.len() };
        Ok(snapshot::write_image(path, &map, memory, &about)?)
    }

    /// The image saved at `path`, the very same one: sessions saved with it can be loaded with it. `permissions` has the
    /// same packages as it was made with, in the same order.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the file is no image of this version, or is damaged; [`Error::Imports`] when packages are
    /// missing.
    pub fn load(engine: &Engine, path: &Path, permissions: Permissions) -> Result<Self, Error> {
        let file = snapshot::read_image(path)?;
        let SavedImage { map, bytes, about } = SavedImage::decode(&file, path)?;
        let About { time, imports, packages } = about;
        let given = permissions.packages.len();
        if packages != given {
            return Err(ImageError::Packages { saved: packages, given }.into());
        }
        let plain = engine.0.pristine.as_ref();
        let len = usize::try_from(map.len).unwrap_or(usize::MAX);
        if len < plain.len() {
            return Err(SnapshotError::Damaged { path: path.to_owned(), reason: "its memory is too small" }.into());
        }
        let mut memory = vec![0; len];
        memory[..plain.len()].copy_from_slice(plain);
        for (index, page) in map.pages.iter().zip(bytes.chunks_exact(PAGE)) {
            let start = *index as usize * PAGE;
            memory[start..start + PAGE].copy_from_slice(page);
        }
        Self::new(engine, &memory, map.stack_pointer, time, imports, permissions.packages)
    }

    /// The modules it was made with.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.0.name.imports
    }

    /// Bytes of linear memory that its sessions begin with, of which they share what they do not change.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory().len() as u64
    }

    pub(crate) fn memory(&self) -> &[u8] {
        self.0.memory.as_ref()
    }

    /// Maps it over linear memory of the same size.
    pub(crate) fn map_over(&self, target: &mut [u8]) -> Result<(), Error> {
        self.0.memory.map_over(target).map_err(|source| ImageError::Memory { source }.into())
    }

    pub(crate) fn stack_pointer(&self) -> i32 {
        self.0.stack_pointer
    }

    pub(crate) fn time(&self) -> Time {
        self.0.time
    }

    pub(crate) fn name(&self) -> &ImageName {
        &self.0.name
    }

    pub(crate) fn packages(&self) -> &[Packages] {
        &self.0.packages
    }

    pub(crate) fn downgrade(&self) -> WeakImage {
        WeakImage(Arc::downgrade(&self.0))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.name.fmt(f)
    }
}

/// An image as what does not keep it alive knows it.
pub(crate) struct WeakImage(Weak<Data>);

impl WeakImage {
    pub(crate) fn is(&self, image: &Image) -> bool {
        self.0.as_ptr() == Arc::as_ptr(&image.0)
    }

    pub(crate) fn is_same(&self, other: &WeakImage) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// Whether no one has it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Why a cell did not do what it should.
fn failure(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Done => None,
        Outcome::Raised(raised) | Outcome::Invalid(raised) if raised.message.is_empty() => Some(raised.type_name),
        Outcome::Raised(raised) | Outcome::Invalid(raised) => Some(format!("{}: {}", raised.type_name, raised.message)),
        Outcome::Exit { code, .. } => Some(format!("it ended the program with status {code}")),
        Outcome::Stopped { reason, .. } => Some(reason),
        other => Some(format!("it ended in {other:?}")),
    }
}

/// What a session runs after the imports: the state in which the sessions of the image begin. The collector leaves alone
/// what is there, as it does with the objects of the plain image: looking at them would copy their pages. For the same
/// reason the room between objects is filled up (guest/immortal.c and memory.c do so for the plain image): new objects then
/// lie side by side. A pool of CPython's has 4096 bytes, of which at most 64 come before its first block; an object of `n`
/// bytes takes 17 more.
///
/// `FILL` is a cell of its own, so that what the preparation itself frees is filled as well.
const SETTLE: &str = r"
import gc, linecache, os, sys

os.chdir('/work')
linecache.clearcache()
for name in ('last_exc', 'last_type', 'last_value', 'last_traceback'):
    sys.__dict__.pop(name, None)
filling, count = [None] * (1 << 17), 0  # not grown later, which would leave holes
number = 1 << 20

def keep(block):
    global count
    filling[count] = block
    count += 1

def fill_pools(make):
    while count < len(filling):
        block = make()
        if id(block) % 4096 <= 64:
            break
        keep(block)

def fill_holes(size):
    while count < len(filling):
        block = bytes(size)
        if id(block) > top:
            break
        keep(block)

def fill():
    fill_pools(object)
    fill_pools(lambda: number + count)
    for size in range(24, 513, 8):
        fill_pools(lambda: bytes(size - 17))
    for power in range(20, 8, -1):
        for part in range(7, 3, -1):
            fill_holes((part << power) // 4)

for _ in range(3):
    gc.collect()
keep(globals())  # in a cycle, and frozen: they stay
gc.freeze()
top = id(bytes(1 << 21))
sys._keelback_fill = fill
";
const FILL: &str = "__import__('sys').__dict__.pop('_keelback_fill')()";
