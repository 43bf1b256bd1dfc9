//! Making the image of an artifact from its content in the cache.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::MAX_BYTES;
use super::image::{ContentSummary, Image};
use super::layer::{Layer, LayerWriter};
use super::read_ahead::{self, Piece};
use super::unpack::{MAX_ENTRIES, unfit_name};
use crate::content::file_tree::Node;
use crate::content::hash::Chunk;
use crate::content::inventory::Inventory;
use crate::content::manifest::Manifest;
use crate::content::source::is_described_as;
use crate::content::{Cache, Operation};
use crate::digest::Digest;
use crate::entry::{ArtifactEntry, ArtifactType};
use crate::error::{AtPath, Error, Result};

/// The bytes of zeros that a hole is written with at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// An artifact that was packed.
pub(crate) struct Packed {
    pub(crate) reference: String,
    pub(crate) artifact_type: ArtifactType,
    pub(crate) image: Image,
    pub(crate) layer: Layer,
    pub(crate) content: ContentSummary,
    /// The digest of all that the content is.
    #[cfg(feature = "remote")]
    pub(crate) tree: Digest,
    /// The compressed layer. The file has no name, so that nothing is left of it.
    pub(crate) file: File,
}

/// Content in its place that may be shared, and what it is.
#[cfg(feature = "remote")]
pub(crate) struct Shareable {
    pub(crate) content: Inventory,
    pub(crate) manifest: Manifest,
    /// The digest of all that it is.
    pub(crate) tree: Digest,
}

impl Cache {
    /// Packs the content of an artifact.
    ///
    /// # Errors
    ///
    /// [`Error::NoContent`], [`Error::ContentAltered`], [`Error::StateInContent`],
    /// [`Error::UnclearContent`], [`Error::Unsavable`] for what could not be loaded again,
    /// and I/O errors.
    pub(crate) fn pack(&self, entry: &ArtifactEntry) -> Result<Packed> {
        let reference = entry.reference.clone().unwrap_or_default();
        let manifest = self.manifest_of(entry.digest.as_deref())?;
        let (content, root) = self.packable(entry, manifest.as_ref())?;
        let artifact_type = entry
            .artifact_type
            .clone()
            .unwrap_or(ArtifactType::Component);
        require_loadable(&content, &artifact_type).map_err(|reason| Error::Unsavable {
            reference: reference.clone(),
            reason,
        })?;

        let file = tempfile::tempfile_in(&root).at("create a temporary file in", &root)?;
        let out = BufWriter::with_capacity(1 << 20, file);
        let (out, layer, packed) = self.write_layer(&content, out, &root)?;
        require_registered(&reference, &content, manifest.as_ref(), &packed)?;
        let summary = ContentSummary {
            digest: packed.digest().clone(),
            files: content.tree().files.len() as u64,
            bytes: content.tree().bytes(),
        };
        let image = Image::of(&artifact_type, &layer, &summary);
        let image = image.map_err(std::io::Error::from).at("write", &root)?;
        let file = out.into_inner().map_err(|error| error.into_error());
        Ok(Packed {
            reference,
            artifact_type,
            image,
            layer,
            #[cfg(feature = "remote")]
            tree: content.tree_digest(&packed),
            content: summary,
            file: file.at("write", &root)?,
        })
    }

    /// Reads the content of an artifact as it would be packed.
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack).
    #[cfg(feature = "remote")]
    pub(crate) fn shareable(&self, entry: &ArtifactEntry) -> Result<Shareable> {
        let reference = entry.reference.as_deref().unwrap_or_default();
        let registered = self.manifest_of(entry.digest.as_deref())?;
        let (content, _) = self.packable(entry, registered.as_ref())?;
        let manifest = self.hash(&content)?;
        require_registered(reference, &content, registered.as_ref(), &manifest)?;
        Ok(Shareable {
            tree: content.tree_digest(&manifest),
            content,
            manifest,
        })
    }

    /// Returns the digest of the layer that some content is packed to, which is not kept.
    #[cfg(feature = "remote")]
    pub(crate) fn layer_digest(&self, content: &Inventory) -> Result<Digest> {
        let root = content.dir().path();
        let (_, layer, _) = self.write_layer(content, std::io::sink(), root)?;
        Ok(layer.digest)
    }

    /// Returns the content of an artifact, and the directory of the cache.
    fn packable(
        &self,
        entry: &ArtifactEntry,
        manifest: Option<&Manifest>,
    ) -> Result<(Inventory, std::path::PathBuf)> {
        let (reference, path) = (
            entry.reference.as_deref().unwrap_or_default(),
            entry.cache_path.as_deref().unwrap_or_default(),
        );
        let contents = self.contents();
        let place = match contents.look(reference, path)? {
            (_, Some(place)) => place,
            (_, None) => {
                return Err(Error::NoContent {
                    reference: reference.to_owned(),
                    path: path.into(),
                });
            }
        };
        if manifest.is_none() {
            let divided = contents.read(&place, "")?;
            let mut left = divided.deployment.paths().chain(divided.generated.paths());
            if let Some(left) = left.next() {
                return Err(Error::UnclearContent {
                    reference: reference.to_owned(),
                    path: contents.path_of(&place)?.join(left),
                });
            }
        }
        let dir = contents.open(&place)?;
        let root = dir.path().parent().unwrap_or(Path::new("/")).to_owned();
        Ok((Inventory::to_share(dir, reference, manifest)?, root))
    }

    fn write_layer<W: Write>(
        &self,
        content: &Inventory,
        out: W,
        root: &Path,
    ) -> Result<(W, Layer, Manifest)> {
        let tree = content.tree();
        let mut nodes: Vec<(&Node, bool)> = tree.dirs.iter().map(|dir| (dir, true)).collect();
        nodes.retain(|(dir, _)| !dir.path.as_os_str().is_empty());
        nodes.extend(tree.files.iter().map(|file| (file, false)));
        nodes.sort_by(|(a, _), (b, _)| a.path.as_os_str().cmp(b.path.as_os_str()));
        let progress = self.progress_of(Operation::Copying, tree.bytes());
        let interrupt = self.registry().interrupt();
        let mut writer = LayerWriter::new(out);
        let mut hashes = Vec::new();
        read_ahead::each(&nodes, content, interrupt, |node, piece| {
            let path = node.path.as_os_str().as_bytes();
            let written = match piece {
                Piece::Dir => writer.dir(path),
                Piece::Begin => {
                    let executable = node.mode & 0o100 != 0;
                    writer.begin_file(path, node.len, executable)
                }
                Piece::Content(chunk) => {
                    progress.advance(chunk.len());
                    match chunk {
                        Chunk::Data(bytes) => writer.put(bytes),
                        Chunk::Hole(len) => put_zeros(&mut writer, len),
                    }
                }
                Piece::End(hash) => {
                    hashes.push((path.to_vec(), hash));
                    writer.end_file(node.len)
                }
            };
            written.at("write", root)
        })?;
        let (out, layer) = writer.finish().at("write", root)?;
        Ok((out, layer, Manifest::of(hashes)))
    }
}

/// Refuses content that is not what was registered, or changed while it was read.
fn require_registered(
    reference: &str,
    content: &Inventory,
    registered: Option<&Manifest>,
    found: &Manifest,
) -> Result<()> {
    match registered.and_then(|it| it.first_difference(found)) {
        Some(path) => Err(Error::ContentAltered {
            reference: reference.to_owned(),
            path: content.dir().path_of(path),
        }),
        None => content.require_unchanged(),
    }
}

fn put_zeros<W: Write>(writer: &mut LayerWriter<W>, mut bytes: u64) -> std::io::Result<()> {
    while bytes > 0 {
        let most = bytes.min(ZEROS.len() as u64);
        writer.put(&ZEROS[..most as usize])?;
        bytes -= most;
    }
    Ok(())
}

/// Refuses content that would be refused when it is loaded, with the reason.
fn require_loadable(
    content: &Inventory,
    artifact_type: &ArtifactType,
) -> std::result::Result<(), String> {
    let tree = content.tree();
    if tree.files.len() + tree.dirs.len() > MAX_ENTRIES {
        return Err(format!(
            "it has more than {MAX_ENTRIES} files and directories"
        ));
    }
    if tree.bytes() > MAX_BYTES {
        return Err(format!("its files have more than {MAX_BYTES} bytes"));
    }
    for node in tree.dirs.iter().chain(&tree.files) {
        let reason = crate::content::rules::unfit_path(&node.path);
        if let Some(reason) = reason.or_else(|| unfit_name(&node.path)) {
            return Err(format!("`{}`: {reason}", node.path.display()));
        }
    }
    let is_described = |name: &str| tree.files.iter().any(|file| file.path == Path::new(name));
    match is_described_as(artifact_type, is_described) {
        true => Ok(()),
        false => Err(format!(
            "it has no file that describes a {}",
            artifact_type.as_str()
        )),
    }
}
