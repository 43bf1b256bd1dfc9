//! The artifacts that a layout names, and those of them that are wanted.

use std::path::Path;

use super::LoadOptions;
use super::image::{
    Descriptor, IMAGE_NAME, ImageManifest, Index, Named, REF_NAME, REFERENCE, named_by,
};
use super::layout::Layout;
use crate::error::{Error, Result};
use crate::reference::Reference;

/// An artifact of a layout, before its layers are read.
pub(super) struct Found {
    pub(crate) reference: Option<Reference>,
    pub(crate) manifest: ImageManifest,
    /// The digest of the manifest.
    pub(crate) digest: String,
    pub(crate) named: Named,
}

/// Returns the artifacts of a layout that are to be loaded.
pub(super) fn chosen(layout: &mut Layout<'_>, options: &LoadOptions) -> Result<Vec<Found>> {
    let refused = |path: &Path, reason: String| Error::UnsafeArchive {
        path: path.to_owned(),
        reason,
    };
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for descriptor in layout.manifests().to_vec() {
        let name = name_of(&descriptor);
        let is_chosen = |wanted: &String| name.as_deref() == Some(wanted);
        if !options.references.is_empty() && !options.references.iter().any(is_chosen) {
            continue;
        }
        names.extend(name.clone());
        let reference = match name {
            // It gets another one, so that this one need not be possible.
            _ if options.rename.is_some() => None,
            Some(name) => {
                let parsed = Reference::parse_new(&name);
                Some(parsed.map_err(|error| refused(&layout.path, error.to_string()))?)
            }
            None => None,
        };
        let manifest = manifest_of(layout, &descriptor)?;
        let twin = found
            .iter()
            .find(|it: &&Found| it.reference.is_some() && it.reference == reference);
        match twin {
            Some(twin) if twin.digest == manifest.digest => continue,
            Some(Found {
                reference: Some(name),
                ..
            }) => {
                return Err(refused(
                    &layout.path,
                    format!("it has two artifacts `{name}`"),
                ));
            }
            _ => {}
        }
        let text = layout.small(&manifest)?;
        let parsed: ImageManifest = serde_json::from_slice(&text)
            .map_err(|error| refused(&layout.path, format!("a manifest: {error}")))?;
        // Nothing in it counts, but it belongs to the image.
        layout.small(&parsed.config)?;
        found.push(Found {
            named: named(&parsed),
            reference,
            manifest: parsed,
            digest: manifest.digest,
        });
    }
    let missing = (options.references.iter()).find(|wanted| !names.contains(wanted));
    if let Some(missing) = missing {
        return Err(Error::NotInArchive {
            reference: missing.clone(),
            path: layout.path.clone(),
        });
    }
    if let Some(rename) = &options.rename {
        match &mut found[..] {
            [one] => one.reference = Some(rename.clone()),
            several => {
                return Err(Error::NoSingle {
                    path: layout.path.clone(),
                    count: several.len(),
                });
            }
        }
    }
    match found.iter().any(|found| found.reference.is_none()) {
        true => Err(Error::NoReference {
            path: layout.path.clone(),
        }),
        false => Ok(found),
    }
}

/// Returns the reference that the index gives an image.
fn name_of(descriptor: &Descriptor) -> Option<String> {
    let annotation = |key: &str| descriptor.annotations.get(key).cloned();
    let is_whole = |name: &String| name.contains(['/', ':']);
    annotation(REFERENCE)
        .or_else(|| annotation(IMAGE_NAME))
        .or_else(|| annotation(REF_NAME).filter(is_whole))
}

/// Returns the manifest that a descriptor leads to: itself, or one of an index.
fn manifest_of(layout: &mut Layout<'_>, descriptor: &Descriptor) -> Result<Descriptor> {
    let refused = |layout: &Layout<'_>, reason: String| Error::UnsafeArchive {
        path: layout.path.clone(),
        reason,
    };
    if !descriptor.is_index() {
        return match descriptor.is_manifest() || descriptor.media_type.is_empty() {
            true => Ok(descriptor.clone()),
            false => Err(refused(
                layout,
                "it names something that is no manifest".to_owned(),
            )),
        };
    }
    let text = layout.small(descriptor)?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|error| refused(layout, format!("an index: {error}")))?;
    match choose(&index) {
        Some(chosen) => Ok(chosen.clone()),
        None => Err(refused(
            layout,
            "an index in it has no manifest to choose".to_owned(),
        )),
    }
}

/// Returns the manifest of an index that is to be taken: the only one, else one of ours, else
/// the one for the most common machine.
pub(crate) fn choose(index: &Index) -> Option<&Descriptor> {
    let is_ours = |it: &&Descriptor| {
        let artifact_type = it.artifact_type.as_deref().unwrap_or_default();
        matches!(named_by(artifact_type), Named::Artifact(_))
    };
    let is_common = |it: &&Descriptor| {
        let platform = it.platform.as_ref();
        platform.is_some_and(|it| it.os == "linux" && it.architecture == "amd64")
    };
    let manifests = &index.manifests;
    let chosen = match &manifests[..] {
        [one] => Some(one),
        several => (several.iter().find(is_ours)).or_else(|| several.iter().find(is_common)),
    };
    chosen.filter(|chosen| chosen.is_manifest())
}

/// Returns what the layers of an image say of it, else what its own type says.
pub(crate) fn named(manifest: &ImageManifest) -> Named {
    let layers = manifest
        .layers
        .iter()
        .map(|layer| named_by(&layer.media_type));
    let own = manifest.artifact_type.as_deref().map(named_by);
    let mut all = layers.chain(own);
    all.find(|named| *named != Named::Nothing)
        .unwrap_or(Named::Nothing)
}
