//! Registries of any size, similar to those of cldctl on a machine that is used a lot:
//! the bytes have the form of Go's `json.MarshalIndent`.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, FixedOffset};

use crate::random::Random;

/// The number of tags of each repository but the last.
const TAGS: usize = 8;

const HOSTS: &[&str] = &[
    "ghcr.io",
    "docker.io",
    "registry.example.com:5000",
    "quay.io",
    "europe-docker.pkg.dev",
    "localhost:5000",
];

const ORGANISATIONS: &[&str] = &[
    "acme",
    "davidthor",
    "northwind",
    "platform",
    "globex",
    "initech",
    "umbrella",
    "hooli",
    "data",
    "payments",
    "wayne",
    "stark",
    "tyrell",
    "cyberdyne",
    "soylent",
    "aperture",
    "infra",
    "edge",
    "mobile",
    "growth",
    "identity",
    "logistics",
    "research",
    "support",
];

const SUBJECTS: &[&str] = &[
    "checkout",
    "inventory",
    "billing",
    "search",
    "session",
    "catalog",
    "payment",
    "shipping",
    "profile",
    "notification",
    "recommendation",
    "analytics",
    "ledger",
    "invoice",
    "pricing",
    "tenant",
    "audit",
    "webhook",
    "gateway",
    "media",
    "email",
    "feature",
    "quota",
    "report",
    "schedule",
    "storage",
    "stream",
    "token",
    "usage",
    "workflow",
    "asset",
    "booking",
    "cart",
    "customer",
    "device",
    "export",
    "import",
    "metrics",
    "policy",
    "review",
];

const KINDS: &[&str] = &[
    "api",
    "web",
    "worker",
    "service",
    "db",
    "cache",
    "proxy",
    "cron",
    "ingest",
    "admin",
    "datacenter",
    "frontend",
    "backend",
    "events",
    "queue",
    "sync",
    "bridge",
    "router",
    "agent",
    "controller",
    "migrations",
    "exporter",
    "collector",
    "loader",
    "processor",
    "dashboard",
    "edge",
    "sidecar",
    "portal",
    "mesh",
];

/// The offsets from UTC of the machines that build.
const HOURS: [i32; 4] = [0, -5, 1, 1];

/// Returns the reference of the entry at `index` of a registry of `count` entries. No
/// two are the same; those of one repository are far apart, because each is built at
/// another time.
pub(crate) fn reference(index: usize, count: usize) -> String {
    let repositories = count.div_ceil(TAGS);
    let (repository, turn) = (index % repositories, index / repositories);
    let mut rest = repository;
    let mut pick = |names: &[&'static str]| {
        let name = names[rest % names.len()];
        rest /= names.len();
        name
    };
    let (kind, host) = (pick(KINDS), pick(HOSTS));
    let (subject, organisation) = (pick(SUBJECTS), pick(ORGANISATIONS));
    let mut random = Random::new(repository as u64);
    let tag = match turn {
        0 => "latest".to_owned(),
        1 => format!("sha-{:07x}", random.within(0..1 << 28)),
        2 => format!(
            "2026-{:02}-{:02}",
            random.within(1..13),
            random.within(1..29)
        ),
        _ => format!("v{}.{turn}.{}", random.within(0..9), random.within(0..30)),
    };
    format!("{host}/{organisation}/{subject}-{kind}:{tag}")
}

/// Returns the reference of the last entry.
pub(crate) fn last_reference(count: usize) -> String {
    reference(count - 1, count)
}

/// Writes a registry of `count` entries, at least one, whose content would be below
/// `cache_root`. Creates the directory of the file.
pub(crate) fn write_registry(path: &Path, cache_root: &Path, count: usize) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut random = Random::new(count as u64);
    // The first time is 14 February 2025; then one artifact follows every few minutes.
    let mut seconds = 1_739_538_000;
    file.write_all(b"{\n  \"version\": \"v2\",\n  \"artifacts\": [\n")?;
    for index in 0..count {
        if index > 0 {
            file.write_all(b",\n")?;
        }
        seconds += random.within(1..600) as i64;
        write_entry(
            &mut file,
            &reference(index, count),
            cache_root,
            seconds,
            &mut random,
        )?;
    }
    file.write_all(b"\n  ]\n}")?;
    file.into_inner()?.sync_all()
}

fn write_entry(
    file: &mut impl Write,
    reference: &str,
    cache_root: &Path,
    seconds: i64,
    random: &mut Random,
) -> io::Result<()> {
    let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
    let kind = match repository.ends_with("-datacenter") {
        true => "datacenter",
        false => "component",
    };
    let digest = [(); 4].map(|()| format!("{:016x}", random.next())).concat();
    let size = random.within(4_000..400_000_000);
    let created = time(seconds, random);
    let key = reference.replace(['/', ':'], "_");
    let cache_path = cache_root.join(key);
    let cache_path = cache_path.display();
    write!(
        file,
        r#"    {{
      "reference": "{reference}",
      "repository": "{repository}",
      "tag": "{tag}",
      "type": "{kind}",
      "digest": "sha256:{digest}",
      "size": {size},
      "createdAt": "{created}",
      "cachePath": "{cache_path}"
    }}"#
    )
}

/// Formats a time as Go does: with all its nanoseconds, and an offset.
fn time(seconds: i64, random: &mut Random) -> String {
    // An odd number has no zeros at the end, which Go would omit.
    let nanoseconds = random.within(0..1_000_000_000) as u32 | 1;
    let time = DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default();
    let form = "%Y-%m-%dT%H:%M:%S%.9f";
    match FixedOffset::east_opt(HOURS[random.within(0..4) as usize] * 3600) {
        Some(offset) if offset.local_minus_utc() != 0 => time
            .with_timezone(&offset)
            .format(&format!("{form}%:z"))
            .to_string(),
        _ => time.format(&format!("{form}Z")).to_string(),
    }
}
