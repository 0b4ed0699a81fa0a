//! Which pages of a guest's memory differ from the image: the base of snapshots.
//!
//! The image is mapped copy-on-write from a file, and memory beyond it is anonymous; so a page the guest has written
//! is present and anonymous, and `/proc/self/pagemap` says so without the page being read. Where there is no such
//! file, every page is compared with a pristine copy of the image.

#[cfg(unix)]
#[path = "pages/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "pages/windows.rs"]
mod system;

pub(crate) use self::system::written;

/// Bytes of a page, as snapshots count them.
pub(crate) const PAGE: usize = 4096;

/// Indices of the pages of `memory` that differ from `pristine`, or may, in order. Pages beyond it that are all zero are
/// left out.
pub(crate) fn dirty(memory: &[u8], pristine: &[u8]) -> Vec<u32> {
    match written(memory) {
        Ok(mut pages) => {
            pages.retain(|index| (*index as usize) < pristine.len() / PAGE || !is_zero(page(memory, *index as usize)));
            pages
        }
        Err(_) => by_comparison(memory, pristine),
    }
}

/// As [`dirty`], by reading every page.
pub(crate) fn by_comparison(memory: &[u8], pristine: &[u8]) -> Vec<u32> {
    let differs = |index: &u32| {
        let now = page(memory, *index as usize);
        let start = *index as usize * PAGE;
        match pristine.get(start..start + PAGE) {
            Some(before) => now != before,
            None => !is_zero(now),
        }
    };
    (0..(memory.len() / PAGE) as u32).filter(differs).collect()
}

/// The bytes of page `index`.
pub(crate) fn page(memory: &[u8], index: usize) -> &[u8] {
    &memory[index * PAGE..(index + 1) * PAGE]
}

fn is_zero(page: &[u8]) -> bool {
    page.chunks_exact(16).all(|chunk| chunk == [0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_finds_written_pages() {
        let pristine = vec![1u8; 4 * PAGE];
        let mut memory = [pristine.clone(), vec![0; 2 * PAGE]].concat();
        memory[PAGE] = 2;
        memory[5 * PAGE + 9] = 1;
        assert_eq!(by_comparison(&memory, &pristine), [1, 5]);
    }

    #[test]
    fn pagemap_knows_what_was_written() {
        let mut memory = vec![0u8; 8 * PAGE];
        let skip = memory.as_ptr().align_offset(PAGE);
        let memory = &mut memory[skip..skip + 6 * PAGE];
        memory[2 * PAGE] = 1;
        if let Ok(pages) = written(memory) {
            assert!(pages.contains(&2), "{pages:?}");
        }
    }
}
