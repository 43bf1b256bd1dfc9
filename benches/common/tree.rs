//! Directories of content, such as a component with its build output.

use std::fs;
use std::io;
use std::path::Path;

use crate::random::Random;

/// The number of files in a directory.
const FILES_IN_DIRECTORY: usize = 50;

/// The size of a tree of content.
#[derive(Clone, Copy)]
pub(crate) struct Tree {
    pub(crate) files: usize,
    /// The approximate sum of the files' lengths.
    pub(crate) bytes: usize,
}

impl Tree {
    /// Writes a component of this size to `dir`. Its files have up to twice the average
    /// length and cannot be compressed.
    pub(crate) fn write(self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("cld.yml"), "name: app\n")?;
        let mut random = Random::new(self.files as u64);
        let average = (self.bytes / self.files) as u64;
        let mut content: Vec<u8> = Vec::with_capacity(2 * average as usize + 8);
        for index in 1..self.files {
            let number = index / FILES_IN_DIRECTORY;
            let parent = dir.join(format!("src/module-{number:03}"));
            if index == 1 || index % FILES_IN_DIRECTORY == 0 {
                fs::create_dir_all(&parent)?;
            }
            let length = random.within(0..2 * average) as usize;
            content.clear();
            while content.len() < length {
                content.extend(random.next().to_le_bytes());
            }
            content.truncate(length);
            fs::write(parent.join(format!("file-{index:05}.bin")), &content)?;
        }
        Ok(())
    }
}
