//! The options of a server, from the dict that `_serve.py` makes.

use std::{fs, net::ToSocketAddrs, path::PathBuf, sync::Arc, time::Duration};

use keelback_wire::{
    server::{Config, Exposure, Listener},
    tls::{Identity, Token},
};
use pyo3::{
    exceptions::{PyKeyError, PyOSError, PyValueError},
    prelude::*,
    types::PyDict,
};

use super::{failed, guard::Guard, stacks::Stacks};

fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let value = options.get_item(name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
    value.extract().map_err(Into::into)
}

fn seconds(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Duration>> {
    let Some(seconds) = get::<Option<f64>>(options, name)? else { return Ok(None) };
    let duration = Duration::try_from_secs_f64(seconds);
    Ok(Some(duration.map_err(|_| PyValueError::new_err(format!("`{name}` is {seconds} seconds")))?))
}

pub(super) fn config(options: &Bound<'_, PyDict>) -> PyResult<Config> {
    let mut config = Config {
        program: get(options, "name")?,
        python: get(options, "python")?,
        banner: get(options, "banner")?,
        has_loop: true,
        read_only: get(options, "read_only")?,
        transcript: get(options, "transcript")?,
        ..Config::default()
    };
    config.limits.grace = seconds(options, "grace")?;
    Ok(config)
}

pub(super) fn stacks(options: &Bound<'_, PyDict>) -> PyResult<Arc<Stacks>> {
    Ok(Arc::new(Stacks::new(get(options, "hidden")?)?))
}

pub(super) fn guard(options: &Bound<'_, PyDict>, stacks: &Arc<Stacks>) -> PyResult<Option<Guard>> {
    let Some(limit) = seconds(options, "guard")? else { return Ok(None) };
    Ok(Some(Guard::new(limit, get(options, "pumped")?, Arc::clone(stacks))))
}

pub(super) fn listener(options: &Bound<'_, PyDict>) -> PyResult<Listener> {
    if let Some(path) = get::<Option<PathBuf>>(options, "path")? {
        return Listener::unix(&path).map_err(failed);
    }
    let (host, port): (String, u16) = (get(options, "host")?, get(options, "port")?);
    let exposure = if get(options, "public")? { Exposure::Everywhere } else { Exposure::Named };
    let address = (host.as_str(), port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| PyOSError::new_err(format!("`{host}` has no address")))?;
    let files: (Option<PathBuf>, Option<PathBuf>) = (get(options, "certificate")?, get(options, "private_key")?);
    let identity = match files {
        (Some(chain), Some(key)) => Identity::from_pem(&fs::read(chain)?, &fs::read(key)?),
        _ => Identity::generate(),
    };
    let token = Token::generate().map_err(failed)?;
    Listener::tcp(address, exposure, identity.map_err(failed)?, token).map_err(failed)
}
