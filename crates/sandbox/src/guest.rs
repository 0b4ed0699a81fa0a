//! One instance of the image: its memory, its exports and the requests made to it.

use std::{future::Future, pin::pin, sync::Arc};

use keelback_session::Value;
use wasmtime::{Global, Memory, Store, TypedFunc, Val};

use crate::{
    Error,
    engine::Inner,
    guest_memory::{GuestMemory, Probes},
    host::State,
    imports::Image,
    marshal, pages,
    snapshot::{MemoryImage, MemoryMap},
    stop::Stopper,
    watch::RunningCell,
};

pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    memory: Memory,
    stack_pointer: Global,
    alloc: TypedFunc<i32, i32>,
    request: TypedFunc<(i32, i32), i32>,
    result: TypedFunc<(), i32>,
    probes: TypedFunc<(), i32>,
    first_stack_pointer: i32,
    stopper: Stopper,
    cell: Arc<RunningCell>,
    /// What the memory is put back to; None is the plain image.
    image: Option<Image>,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Trap(wasmtime::Error),
    #[error("{0}")]
    Protocol(String),
}

impl Drop for Guest {
    /// Before the memory goes away, other threads lose sight of it.
    fn drop(&mut self) {
        self.cell.set_memory(None);
    }
}

impl Guest {
    /// An instance as `image` has it, or with `memory` one in that state.
    pub(crate) async fn new(
        engine: &Inner,
        state: State,
        image: Option<&Image>,
        memory: Option<MemoryImage<'_>>,
    ) -> Result<Self, Error> {
        let mut guest = match engine.take_idle(image) {
            Some(mut guest) => {
                guest.cell = Arc::clone(&state.host.cell);
                guest.image = image.cloned();
                *guest.store.data_mut() = state;
                guest
            }
            None => {
                let mut guest = Guest::instantiate(engine, state).await?;
                if let Some(image) = image {
                    guest.begin_as(image)?;
                }
                guest
            }
        };
        guest.store.data_mut().host.memory = Some(guest.memory);
        let probes = guest.probes(engine).await?;
        if let Some(memory) = memory {
            guest.restore(memory)?;
        }
        let (base, len) = (guest.memory.data_ptr(&guest.store), guest.memory.data_size(&guest.store));
        guest.cell.set_memory(Some(GuestMemory::new(base, len, probes, guest.stopper.clone())));
        Ok(guest)
    }

    async fn instantiate(engine: &Inner, state: State) -> Result<Self, Error> {
        let cell = Arc::clone(&state.host.cell);
        let mut store = Store::new(&engine.engine, state);
        store.limiter(|state| &mut state.limiter);
        let stopper = Stopper::new(&mut store);
        let instance = engine.pre.instantiate_async(&mut store).await.map_err(Error::engine)?;
        let exports = &engine.exports;
        let func = |store: &mut Store<State>, export| {
            let func = instance.get_module_export(store, export).and_then(wasmtime::Extern::into_func);
            func.ok_or_else(|| Error::Image { reason: "an export is not a function".into() })
        };
        let alloc = func(&mut store, &exports.alloc)?.typed(&store).map_err(Error::engine)?;
        let request = func(&mut store, &exports.request)?.typed(&store).map_err(Error::engine)?;
        let result = func(&mut store, &exports.result)?.typed(&store).map_err(Error::engine)?;
        let probes = func(&mut store, &exports.probes)?.typed(&store).map_err(Error::engine)?;
        let missing = |what: &str| Error::Image { reason: format!("it has no {what}") };
        let memory = instance.get_module_export(&mut store, &exports.memory).and_then(wasmtime::Extern::into_memory);
        let memory = memory.ok_or_else(|| missing("memory"))?;
        let global = instance.get_module_export(&mut store, &exports.stack_pointer);
        let stack_pointer = global.and_then(wasmtime::Extern::into_global).ok_or_else(|| missing("stack pointer"))?;
        let first_stack_pointer = stack_pointer.get(&mut store).i32().unwrap_or_default();
        store.data_mut().host.memory = Some(memory);
        Ok(Guest {
            store,
            memory,
            stack_pointer,
            first_stack_pointer,
            stopper,
            alloc,
            request,
            result,
            probes,
            cell,
            image: None,
        })
    }

    /// Turns an instance of the plain image that has not run into one of `image`.
    fn begin_as(&mut self, image: &Image) -> Result<(), Error> {
        self.grow_to(image.memory_bytes())?;
        image.map_over(self.memory.data_mut(&mut self.store))?;
        self.first_stack_pointer = image.stack_pointer();
        self.stack_pointer.set(&mut self.store, Val::I32(self.first_stack_pointer)).map_err(Error::engine)?;
        self.image = Some(image.clone());
        Ok(())
    }

    /// None is the plain image.
    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Linear memory as an instance of this one's image begins with it.
    fn pristine<'a>(image: &'a Option<Image>, engine: &'a Inner) -> &'a [u8] {
        image.as_ref().map_or(engine.pristine.as_ref(), Image::memory)
    }

    /// Puts the instance back to the image. False when that cannot be: its memory has grown, which it cannot undo.
    pub(crate) fn reset(&mut self, engine: &Inner) -> bool {
        self.cell.set_memory(None);
        let image = self.image.take();
        let pristine = Guest::pristine(&image, engine);
        if self.memory.data_size(&self.store) != pristine.len() {
            return false;
        }
        let Ok(changed) = pages::written(self.memory.data(&self.store)) else {
            return false;
        };
        let data = self.memory.data_mut(&mut self.store);
        for index in changed {
            let range = index as usize * pages::PAGE..(index as usize + 1) * pages::PAGE;
            data[range.clone()].copy_from_slice(&pristine[range]);
        }
        let first = Val::I32(self.first_stack_pointer);
        if self.stack_pointer.set(&mut self.store, first).is_err() {
            return false;
        }
        // Everything the session was granted goes with its state.
        let state = self.store.data_mut();
        state.close(engine);
        self.cell = Arc::clone(&state.host.cell);
        true
    }

    async fn probes(&mut self, engine: &Inner) -> Result<Probes, Error> {
        if let Some(probes) = engine.probes.get() {
            return Ok(*probes);
        }
        let address = self.probes.call_async(&mut self.store, ()).await.map_err(Error::engine)?;
        let probes = self.read_probes(address as u32 as usize);
        if !probes.fit(self.memory.data_size(&self.store)) {
            return Err(Error::Image { reason: "its signal flags lie outside its memory".into() });
        }
        Ok(*engine.probes.get_or_init(|| probes))
    }

    fn read_probes(&self, address: usize) -> Probes {
        let data = self.memory.data(&self.store);
        let word = |index: usize| {
            let start = address + index * 4;
            let bytes = data.get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(u32::MAX, u32::from_le_bytes)
        };
        Probes { eval_breaker: word(0), pending_bit: word(1), is_tripped: word(2), tripped: word(3), stride: word(4) }
    }

    /// Makes one request and waits for its response.
    pub(crate) async fn request(&mut self, request: &[u8]) -> Result<Value, Failure> {
        let cell = Arc::clone(&self.cell);
        metered(&cell, async {
            let bytes = self.exchange(request).await?;
            marshal::decode(bytes).map_err(|error| Failure::Protocol(error.to_string()))
        })
        .await
    }

    /// As `request`; the response as it lies in the guest's memory.
    pub(crate) async fn request_bytes(&mut self, request: &[u8]) -> Result<&[u8], Failure> {
        let cell = Arc::clone(&self.cell);
        metered(&cell, self.exchange(request)).await
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<&[u8], Failure> {
        let outside = || Failure::Protocol("guest named bytes outside its memory".into());
        let len = i32::try_from(request.len()).map_err(|_| Failure::Protocol("request is larger than 2 GiB".into()))?;
        let ptr = self.alloc.call_async(&mut self.store, len).await.map_err(Failure::Trap)?;
        if ptr == 0 {
            let text = format!("guest has no memory left for a request of {len} bytes");
            return Err(Failure::Protocol(text));
        }
        self.memory.write(&mut self.store, ptr as u32 as usize, request).map_err(|_| outside())?;
        let len = self.request.call_async(&mut self.store, (ptr, len)).await.map_err(Failure::Trap)?;
        let len = usize::try_from(len).map_err(|_| Failure::Protocol("guest could not answer".into()))?;
        let start = self.result.call_async(&mut self.store, ()).await.map_err(Failure::Trap)? as u32 as usize;
        let data = self.memory.data(&self.store);
        start.checked_add(len).and_then(|end| data.get(start..end)).ok_or_else(outside)
    }

    /// Bytes of linear memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// All of linear memory, and the stack pointer.
    pub(crate) fn whole(&mut self) -> (&[u8], i32) {
        let stack_pointer = self.stack_pointer.get(&mut self.store).i32().unwrap_or_default();
        (self.memory.data(&self.store), stack_pointer)
    }

    /// All the guest's state outside the host: where its memory differs from the image, and the memory.
    pub(crate) fn changed(&mut self, engine: &Inner) -> (MemoryMap, &[u8]) {
        let stack_pointer = self.stack_pointer.get(&mut self.store).i32().unwrap_or_default();
        let data = self.memory.data(&self.store);
        let pages = pages::dirty(data, Guest::pristine(&self.image, engine));
        (MemoryMap { len: data.len() as u64, stack_pointer, pages }, data)
    }

    /// A copy of that.
    pub(crate) fn capture(&mut self, engine: &Inner) -> (MemoryMap, Vec<u8>) {
        let (map, data) = self.changed(engine);
        let mut bytes = Vec::with_capacity(map.pages.len() * pages::PAGE);
        map.pages.iter().for_each(|index| bytes.extend_from_slice(pages::page(data, *index as usize)));
        (map, bytes)
    }

    /// Puts a fresh instance into the state of `image`.
    fn restore(&mut self, image: MemoryImage<'_>) -> Result<(), Error> {
        self.grow_to(image.map.len)?;
        self.stack_pointer.set(&mut self.store, Val::I32(image.map.stack_pointer)).map_err(Error::engine)?;
        let data = self.memory.data_mut(&mut self.store);
        for (index, page) in image.map.pages.iter().zip(image.bytes.chunks_exact(pages::PAGE)) {
            let start = *index as usize * pages::PAGE;
            let target = data.get_mut(start..start + pages::PAGE);
            target.ok_or_else(|| Error::Image { reason: "a page lies outside memory".into() })?.copy_from_slice(page);
        }
        Ok(())
    }

    fn grow_to(&mut self, bytes: u64) -> Result<(), Error> {
        let now = self.memory_bytes();
        if bytes <= now {
            return Ok(());
        }
        let grown = self.memory.grow(&mut self.store, (bytes - now) >> 16);
        let value = self.store.data().limiter.max_bytes();
        grown.map(drop).map_err(|_| Error::Limit { name: "memory_bytes", value, minimum: bytes })
    }
}

/// Counts the CPU time of a future that runs a guest.
async fn metered<F: Future>(cell: &RunningCell, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        cell.enter();
        let result = future.as_mut().poll(cx);
        cell.leave();
        result
    })
    .await
}
