//! Written pages as Linux tells them. Other Unixes have no such file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use super::PAGE;

const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;
const FILE_OR_SHARED: u64 = 1 << 61;

/// Indices of the pages that were written since they were mapped, in order.
pub(crate) fn written(memory: &[u8]) -> io::Result<Vec<u32>> {
    if rustix::param::page_size() != PAGE {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let count = memory.len() / PAGE;
    // Opened anew each time: the descriptor of a process that has forked would describe the parent.
    let mut file = File::open("/proc/self/pagemap")?;
    file.seek(SeekFrom::Start((memory.as_ptr() as usize / PAGE * 8) as u64))?;
    let mut pages = Vec::new();
    let mut buffer = vec![0u8; 128 << 10];
    let mut index = 0;
    while index < count {
        let len = buffer.len().min((count - index) * 8);
        file.read_exact(&mut buffer[..len])?;
        for entry in buffer[..len].chunks_exact(8) {
            let entry = u64::from_ne_bytes(entry.try_into().expect("chunks of eight"));
            if entry & PRESENT_OR_SWAPPED != 0 && entry & FILE_OR_SHARED == 0 {
                pages.push(index as u32);
            }
            index += 1;
        }
    }
    Ok(pages)
}
