//! Python packages a session may import: an installed folder as it is, or wheels unpacked beforehand into a folder that
//! lives as long as the permissions. Both are granted read-only below `/packages` and come last on `sys.path`.
//!
//! Wheels come from anywhere, so what they say about themselves is checked before a byte is written: names, links,
//! sizes, and whether they hold machine code, which the guest cannot load.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use zip::{ZipArchive, result::ZipError};

use keelback_session::Cell;

use crate::{
    Permissions,
    fs::{Access, Grant},
};

/// Where packages appear in the guest, each in a folder named by its number.
pub(crate) const PACKAGES_PATH: &str = "/packages";

/// Bytes all wheels of one path may unpack to; a choice: sympy, one of the largest pure packages, has 27 MB.
const MAX_BYTES: u64 = 1 << 30;
/// Files they may hold; a choice.
const MAX_FILES: usize = 100_000;

/// Packages made available to a session.
#[derive(Clone)]
pub(crate) struct Packages {
    pub(crate) folder: PathBuf,
    /// Deleted with the last clone of the permissions, and with the last session that has them.
    _unpacked: Option<Arc<TempDir>>,
}

/// Why packages cannot be made available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PackagesError {
    #[error("cannot read packages from `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot unpack wheel `{wheel}`")]
    Unpack { wheel: String, source: io::Error },
    #[error("`{}` is neither a folder nor a wheel (`.whl`)", path.display())]
    Kind { path: PathBuf },
    #[error("`{wheel}` is not a wheel: {reason}")]
    NotAWheel { wheel: String, reason: String },
    #[error(
        "wheel `{wheel}` holds machine code (`{file}`), which a sandbox does not run: use a pure-Python release (its \
         name ends in `-none-any.whl`), or give its functions as a tool"
    )]
    Native { wheel: String, file: String },
    #[error("wheel `{wheel}` is for {tag}, not for Python 3.13")]
    Python { wheel: String, tag: String },
    #[error("wheel `{wheel}` holds `{file}`, which would leave the folder of packages")]
    Escape { wheel: String, file: String },
    #[error("wheels `{first}` and `{second}` both hold `{file}`, each another one")]
    Twice { first: String, second: String, file: String },
    #[error("wheel `{wheel}` unpacks to more than {limit}")]
    TooLarge { wheel: String, limit: String },
}

impl Permissions {
    /// Lets the guest import what is at a host path, last on `sys.path`: a folder of installed packages
    /// (`site-packages`, or what `pip install --target` made), a wheel, or a folder of wheels. Wheels are unpacked here,
    /// once for all sessions with these permissions.
    ///
    /// Only Python runs. A wheel with an extension module is refused; in a folder of installed packages such modules are
    /// left where they are, and importing one raises ImportError.
    ///
    /// # Errors
    /// [`PackagesError`] naming the wheel and what is wrong with it.
    pub fn packages(mut self, host: impl Into<PathBuf>) -> Result<Self, PackagesError> {
        let path = host.into();
        let failed = |source| PackagesError::Read { path: path.clone(), source };
        let is_wheel = |path: &Path| path.extension().is_some_and(|extension| extension == "whl");
        let metadata = fs::metadata(&path).map_err(failed)?;
        let mut wheels = Vec::new();
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                let file = entry.map_err(failed)?.path();
                if is_wheel(&file) {
                    wheels.push(file);
                }
            }
            wheels.sort();
        } else if is_wheel(&path) {
            wheels.push(path.clone());
        } else {
            return Err(PackagesError::Kind { path });
        }
        self.packages.push(if wheels.is_empty() {
            Packages { folder: path, _unpacked: None }
        } else {
            unpack(&wheels)?
        });
        Ok(self)
    }

    /// What is installed in the packages, as far as their metadata tells: `attrs 25.3.0`, sorted.
    #[must_use]
    pub fn package_names(&self) -> Vec<String> {
        let entries = self.packages.iter().filter_map(|packages| fs::read_dir(&packages.folder).ok());
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let (name, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
            Some(format!("{name} {version}"))
        };
        let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
        names.sort();
        names
    }

    /// All grants, those of packages last.
    pub(crate) fn all_grants(&self) -> Vec<Grant> {
        let packages = self.packages.iter().enumerate().map(|(index, packages)| Grant {
            host: packages.folder.clone(),
            guest: format!("{PACKAGES_PATH}/{index}"),
            access: Access::Read,
        });
        self.grants.iter().cloned().chain(packages).collect()
    }
}

/// What a session with packages runs before its first cell: puts them on `sys.path`, and gives extension modules among
/// them a loader that says what they are. It binds no name in the namespace, and a second time it does nothing.
pub(crate) fn cell(packages: usize) -> Cell {
    let paths: Vec<String> = (0..packages).map(|index| format!("{PACKAGES_PATH}/{index}")).collect();
    let source = format!("exec({:?}, {{'__name__': '_keelback_packages', 'paths': {paths:?}}})", PRELUDE);
    Cell::from(source).filename("<packages>")
}

const PRELUDE: &str = r#"
import os, sys
from importlib import machinery

class ExtensionFinder:
    "Finds extension modules where nothing else was found, and says why they are not loaded."

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        last = name.rpartition('.')[2]
        for folder in sys.path if path is None else path:
            if type(folder) is not str or not folder.startswith('/packages/'):
                continue
            try:
                names = os.listdir(folder)
            except OSError:
                continue
            for file in names:
                if file.partition('.')[0] == last and file.endswith(('.so', '.pyd', '.dylib')):
                    origin = folder + '/' + file
                    return machinery.ModuleSpec(name, cls, origin=origin)

    @staticmethod
    def create_module(spec):
        raise ImportError(
            f"{spec.name} is an extension module ({spec.origin}), machine code that a sandbox does not run: "
            "use a pure-Python release of the package, or give its functions as a tool",
            name=spec.name, path=spec.origin)

    @staticmethod
    def exec_module(module):
        pass

# Without it an extension module hides the Python of the same name beside it.
only_python = machinery.FileFinder.path_hook(
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES))

def packages_hook(path):
    if not path.startswith('/packages/'):
        raise ImportError('not a folder of packages', path=path)
    return only_python(path)

if not any(getattr(finder, '__module__', None) == '_keelback_packages' for finder in sys.meta_path):
    sys.meta_path.append(ExtensionFinder)
    sys.path_hooks.insert(0, packages_hook)
sys.path.extend(path for path in paths if path not in sys.path)
"#;

fn unpack(wheels: &[PathBuf]) -> Result<Packages, PackagesError> {
    let folder = tempfile::Builder::new().prefix("keelback-packages-").tempdir();
    let folder = folder.map_err(|source| PackagesError::Unpack { wheel: name_of(&wheels[0]), source })?;
    let mut unpacking = Unpacking { root: folder.path(), bytes: 0, files: BTreeMap::new() };
    for wheel in wheels {
        unpacking.wheel(wheel)?;
    }
    Ok(Packages { folder: folder.path().to_owned(), _unpacked: Some(Arc::new(folder)) })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

struct Unpacking<'a> {
    root: &'a Path,
    /// Unpacked so far.
    bytes: u64,
    /// Each file, and the wheel it came from.
    files: BTreeMap<String, String>,
}

impl Unpacking<'_> {
    fn wheel(&mut self, path: &Path) -> Result<(), PackagesError> {
        let wheel = name_of(path);
        check_tag(&wheel)?;
        let not_a_wheel = |reason: String| PackagesError::NotAWheel { wheel: wheel.clone(), reason };
        let file = File::open(path).map_err(|source| PackagesError::Read { path: path.to_owned(), source })?;
        let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|error| not_a_wheel(error.to_string()))?;
        let (mut targets, mut metadata) = (Vec::new(), [false; 2]);
        // All names first: nothing of a wheel that is refused is written.
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| not_a_wheel(error.to_string()))?;
            let name = entry.name().to_owned();
            if !is_plain(&name) || entry.is_symlink() {
                return Err(PackagesError::Escape { wheel, file: name });
            }
            if is_native(&name) {
                return Err(PackagesError::Native { wheel, file: name });
            }
            if entry.encrypted() {
                return Err(not_a_wheel(format!("`{name}` is encrypted")));
            }
            if let Some((folder, file)) = name.split_once('/')
                && folder.ends_with(".dist-info")
            {
                metadata[0] |= file == "WHEEL";
                metadata[1] |= file == "METADATA";
            }
            if !entry.is_dir()
                && let Some(target) = target(&name)
            {
                targets.push((index, target.to_owned()));
            }
        }
        for (there, name) in metadata.into_iter().zip(["WHEEL", "METADATA"]) {
            if !there {
                return Err(not_a_wheel(format!("it has no `.dist-info/{name}`")));
            }
        }
        for (index, target) in targets {
            let mut entry = archive.by_index(index).map_err(|error| not_a_wheel(error.to_string()))?;
            self.file(&wheel, &mut entry, target)?;
        }
        Ok(())
    }

    fn file(&mut self, wheel: &str, entry: &mut impl Read, target: String) -> Result<(), PackagesError> {
        let failed = |source: io::Error| match source.get_ref().and_then(|inner| inner.downcast_ref::<ZipError>()) {
            Some(error) => PackagesError::NotAWheel { wheel: wheel.to_owned(), reason: error.to_string() },
            None => PackagesError::Unpack { wheel: wheel.to_owned(), source },
        };
        let too_large = |limit: String| PackagesError::TooLarge { wheel: wheel.to_owned(), limit };
        // What the wheel says about sizes may be wrong: the bytes that come are counted.
        let mut bytes = Vec::new();
        let left = MAX_BYTES - self.bytes;
        let read = entry.take(left + 1).read_to_end(&mut bytes).map_err(failed)? as u64;
        if read > left {
            return Err(too_large(format!("{} MiB", MAX_BYTES >> 20)));
        }
        self.bytes += read;
        let path = self.root.join(&target);
        if let Some(first) = self.files.get(&target) {
            // Namespace packages share files that say the same.
            if fs::read(&path).map_err(failed)? == bytes {
                return Ok(());
            }
            let (first, second) = (first.clone(), wheel.to_owned());
            return Err(PackagesError::Twice { first, second, file: target });
        }
        if self.files.len() == MAX_FILES {
            return Err(too_large(format!("{MAX_FILES} files")));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        File::create_new(&path).and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
        self.files.insert(target, wheel.to_owned());
        Ok(())
    }
}

/// The tag in the name of a wheel: `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`
/// ([specification](https://packaging.python.org/en/latest/specifications/binary-distribution-format/)). Platforms are
/// not looked at: what counts is whether there is machine code in the wheel.
fn check_tag(wheel: &str) -> Result<(), PackagesError> {
    let parts: Vec<&str> = wheel.strip_suffix(".whl").unwrap_or(wheel).split('-').collect();
    if !matches!(parts.len(), 5 | 6) {
        let reason = "its name is not NAME-VERSION-PYTHON-ABI-PLATFORM.whl".to_owned();
        return Err(PackagesError::NotAWheel { wheel: wheel.to_owned(), reason });
    }
    let python = parts[parts.len() - 3];
    let fits = |tag: &str| tag.starts_with("py3") || tag.starts_with("cp3");
    if python.split('.').any(fits) {
        return Ok(());
    }
    Err(PackagesError::Python { wheel: wheel.to_owned(), tag: python.to_owned() })
}

/// Whether a name in a wheel stays below the folder it is unpacked to.
fn is_plain(name: &str) -> bool {
    let clean = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    name.len() < 4096 && !name.contains(['\\', '\0', ':']) && clean.split('/').all(plain)
}

/// Whether a file is machine code by its name: `_speedups.so`, `_c.cpython-313-x86_64-linux-gnu.so`, `libx.so.1`.
fn is_native(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let ends = [".so", ".pyd", ".dylib", ".dll"].iter().any(|suffix| file.ends_with(suffix));
    ends || file.split_once(".so.").is_some_and(|(_, rest)| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// Where a file of a wheel belongs in `site-packages`; None for scripts, headers and data.
fn target(name: &str) -> Option<&str> {
    match name.split_once('/') {
        Some((folder, rest)) if folder.ends_with(".data") => {
            let (scheme, rest) = rest.split_once('/')?;
            matches!(scheme, "purelib" | "platlib").then_some(rest)
        }
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// A wheel of these files in a folder of its own.
    fn wheel(name: &str, files: &[(&str, &str)]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        let mut zip = ZipWriter::new(File::create(&path).expect("a file"));
        let metadata = [("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n"), ("tiny-1.0.dist-info/METADATA", "\n")];
        for (name, text) in files.iter().chain(&metadata) {
            zip.start_file(*name, SimpleFileOptions::default()).expect("an entry");
            zip.write_all(text.as_bytes()).expect("its bytes");
        }
        zip.finish().expect("an end");
        (folder, path)
    }

    #[track_caller]
    fn refused(name: &str, files: &[(&str, &str)], expected: &str) {
        let (_folder, path) = wheel(name, files);
        let error = Permissions::none().packages(path).err().expect("it is refused").to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }

    const PURE: &str = "tiny-1.0-py3-none-any.whl";

    #[test]
    fn a_wheel_is_unpacked_as_pip_does_it() {
        let files =
            [("tiny/__init__.py", "x = 1"), ("tiny-1.0.data/purelib/more.py", ""), ("tiny-1.0.data/scripts/s", "")];
        let (_folder, path) = wheel("tiny-1.0-cp313-cp313-linux_x86_64.whl", &files);
        let permissions = Permissions::none().packages(path).expect("no machine code in it");
        let folder = permissions.packages[0].folder.clone();
        assert_eq!(fs::read_to_string(folder.join("tiny/__init__.py")).expect("it is there"), "x = 1");
        assert!(folder.join("more.py").is_file() && !folder.join("s").exists());
        let clone = permissions.clone();
        drop(permissions);
        assert!(folder.exists());
        drop(clone);
        assert!(!folder.exists());
    }

    #[test]
    fn machine_code_is_refused_by_name() {
        refused(PURE, &[("tiny/_c.cpython-313-x86_64-linux-gnu.so", "")], "give its functions as a tool");
        refused(PURE, &[("tiny/libc.so.6", "")], "tiny/libc.so.6");
        refused("tiny-1.0-cp313-cp313-win_amd64.whl", &[("tiny/_c.pyd", "")], "pure-Python release");
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["../evil.py", "/etc/evil.py", "tiny/../../evil.py", "tiny\\..\\evil.py", "C:evil.py", "a//b.py"] {
            refused(PURE, &[(name, "")], "leave the folder");
        }
    }

    #[test]
    fn links_are_refused() {
        let (folder, path) = wheel(PURE, &[]);
        let mut zip =
            ZipWriter::new_append(File::options().read(true).write(true).open(&path).expect("a wheel")).expect("a zip");
        zip.add_symlink("tiny/out", "/etc", SimpleFileOptions::default()).expect("a link");
        zip.finish().expect("an end");
        let error = Permissions::none().packages(folder.path()).err().expect("it is refused");
        assert!(error.to_string().contains("tiny/out"), "{error}");
    }

    #[test]
    fn wheels_for_other_pythons_and_other_files_are_refused() {
        refused("tiny-1.0-py2-none-any.whl", &[], "is for py2");
        refused("tiny.whl", &[], "NAME-VERSION-PYTHON");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(PURE);
        fs::write(&path, "no zip").expect("a file");
        assert!(matches!(Permissions::none().packages(&path), Err(PackagesError::NotAWheel { .. })));
        assert!(matches!(Permissions::none().packages("/dev/null"), Err(PackagesError::Kind { .. })));
        assert!(matches!(Permissions::none().packages(folder.path().join("no")), Err(PackagesError::Read { .. })));
    }

    #[test]
    fn a_folder_of_wheels_is_one_folder_of_packages() {
        let (folder, _) = wheel(PURE, &[("tiny/a.py", "1"), ("shared/__init__.py", "")]);
        let (_other, path) = wheel("more-1.0-py2.py3-none-any.whl", &[("more.py", ""), ("shared/__init__.py", "")]);
        fs::copy(&path, folder.path().join("more-1.0-py2.py3-none-any.whl")).expect("a copy");
        let permissions = Permissions::none().packages(folder.path()).expect("both are pure");
        assert!(permissions.packages[0].folder.join("more.py").is_file());
        let (_other, path) = wheel("last-1.0-py3-none-any.whl", &[("tiny/a.py", "2")]);
        fs::copy(&path, folder.path().join("last-1.0-py3-none-any.whl")).expect("a copy");
        assert!(matches!(Permissions::none().packages(folder.path()), Err(PackagesError::Twice { .. })));
    }
}
