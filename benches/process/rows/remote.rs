//! Pushing and pulling, where compression, hashing, the disk and a registry on this machine
//! take the time.

use std::process::Command;
use std::rc::Rc;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Rows;
use super::archive::shell;
use super::content::{LARGE, MANY};
use crate::Bench;
use crate::measure::{Contender, time};
use crate::program::User;
use crate::row::{Bar, Row};
use crate::server::Server;
use crate::tools::{on_path, sync};
use crate::tree::Tree;

const REFERENCE: &str = "app:v1";

/// The memory that a transfer may take, in bytes, and that for each file.
const MEMORY: usize = 64_000_000;
const MEMORY_OF_FILE: usize = 300;

/// A tree that crosses, and the ratios that must hold.
struct Crossing {
    name: &'static str,
    tree: Tree,
    runs: usize,
    push: f64,
    pull: f64,
    /// The script that clears away what was made.
    clear: &'static str,
}

const REMOVE: &str = "rm -rf other unpacked layer*";

/// ext4 looks long for inodes after so many were freed: it does not take those again for a
/// minute.
const MOVE: &str = "mkdir -p kept; rm -f layer*
    for it in other unpacked; do [ ! -e $it ] || mv $it kept/$it-$(date +%s%N); done";

pub(super) fn rows(bench: &Bench) -> Result<Rows> {
    let mut all = Rows {
        rows: Vec::new(),
        users: Vec::new(),
    };
    for crossing in [
        Crossing {
            name: "500 MB in 2,000 files",
            tree: LARGE,
            runs: bench.options.runs(5),
            push: 0.5,
            pull: 0.8,
            clear: REMOVE,
        },
        Crossing {
            name: "80 MB in 20,000 files",
            tree: MANY,
            runs: bench.options.runs(5),
            push: 0.5,
            pull: 0.6,
            clear: MOVE,
        },
    ] {
        let names = crossing.names();
        if !names.iter().any(|name| bench.options.wants(name)) {
            continue;
        }
        let user = User::new(&bench.program)?;
        let lacking = |what| names.clone().map(|name| Row::lacking(name, what));
        if time(&mut user.command(&["push", "--help"])).is_err() {
            all.rows.extend(lacking("the program has no `push`"));
            continue;
        }
        match Server::start()? {
            Some(server) => all.rows.extend(crossing.rows(bench, &user, server)?),
            None => all.rows.extend(lacking("it needs docker-registry")),
        }
        all.users.push(user);
    }
    Ok(all)
}

impl Crossing {
    fn names(&self) -> [String; 5] {
        [
            "push",
            "push again",
            "pull",
            "peak memory of push",
            "peak memory of pull",
        ]
        .map(|what| format!("{what}, {}", self.name))
    }

    fn rows(&self, bench: &Bench, user: &User, server: Server) -> Result<Vec<Row>> {
        let [push_name, again_name, pull_name, push_peak, pull_peak] = self.names();
        self.tree.write(&user.path("source"))?;
        let source = user.path("source").display().to_string();
        time(&mut user.command(&["add", REFERENCE, &source]))?;
        // The rows share the registry, which ends with the last one.
        let server = Rc::new(server);
        let remote = format!("{}/{REFERENCE}", server.host);
        let push = || user.command(&["push", REFERENCE, "--as", &remote]);
        let other = user.path("other").display().to_string();
        let pull = || user.command(&["--home", &other, "pull", &remote, "--as", REFERENCE]);

        let rm = || shell(user, self.clear);
        let first = |name: &str| self.pushing(user, &server, name, push());
        let row = |name: String, ours| Row::new(name, self.runs, ours);
        let mut rows = vec![
            row(push_name, first("push"))
                .beside(self.by_hand(user, &server))
                .bar(Bar::Times(self.push)),
            row(again_name, self.pushing_again(user, &server, push()))
                .beside(Some(first("the first push")))
                .bar(Bar::Times(0.15)),
            row(
                pull_name,
                self.pulling(user, &server, "pull", push(), pull()),
            )
            .beside(self.fetching(user, &server, push()))
            .bar(Bar::Times(self.pull))
            .peers(self.skopeo(user, &server, push(), &remote)),
        ];
        let most = (MEMORY + MEMORY_OF_FILE * self.tree.files) as f64;
        for (name, command, prepare) in
            [(push_peak, push(), None), (pull_peak, pull(), Some(push()))]
        {
            let Some(peak) = bench.tools.peak("peak", &command) else {
                rows.push(Row::lacking(name, "measuring it needs cc"));
                continue;
            };
            let peak = self.prepared(user, &server, prepare, peak.after(rm()));
            let allowed = Contender::new("64 MB and 300 bytes a file", move || Ok(most));
            let row = row(name, peak).in_bytes();
            rows.push(row.beside(Some(allowed)).bar(Bar::Times(1.0)));
        }
        Ok(rows)
    }

    /// Measures after the registry was emptied, and filled by a push if there is one.
    fn prepared(
        &self,
        user: &User,
        server: &Rc<Server>,
        mut push: Option<Command>,
        mut contender: Contender,
    ) -> Contender {
        let (dir, server) = (user.path(""), server.clone());
        let mut rm = shell(user, self.clear);
        Contender::new(contender.name.clone(), move || {
            server.empty()?;
            time(&mut rm)?;
            if let Some(push) = &mut push {
                time(push)?;
            }
            sync(&dir)?;
            contender.measure()
        })
    }

    fn pushing(&self, user: &User, server: &Rc<Server>, name: &str, push: Command) -> Contender {
        self.prepared(user, server, None, Contender::timing(name, push))
    }

    /// Pushes what the registry has, and checks that no blob is sent then.
    fn pushing_again(&self, user: &User, server: &Rc<Server>, push: Command) -> Contender {
        let mut asking = user.run(push.get_program(), &push.get_args().collect::<Vec<_>>());
        asking.args(["--format", "json"]);
        let again = Contender::timing("push again", push);
        let push = user.run(asking.get_program(), &asking.get_args().collect::<Vec<_>>());
        let mut again = self.prepared(user, server, Some(push), again);
        Contender::new("push again", move || {
            let figure = again.measure()?;
            let report: Value = serde_json::from_slice(&asking.output()?.stdout)?;
            let sent = &report[0]["sent"];
            ensure!(*sent == 0, "{sent} bytes were sent again");
            Ok(figure)
        })
    }

    fn pulling(
        &self,
        user: &User,
        server: &Rc<Server>,
        name: &str,
        push: Command,
        pull: Command,
    ) -> Contender {
        self.prepared(user, server, Some(push), Contender::timing(name, pull))
    }

    /// Packs and uploads by other programs, one after the other.
    fn by_hand(&self, user: &User, server: &Rc<Server>) -> Option<Contender> {
        require(&["tar", "gzip", "sha256sum", "curl"])?;
        let uploads = format!("http://{}/v2/by-hand/blobs/uploads/", server.host);
        let script = format!(
            "tar -C source -cf layer.tar .; gzip -6 layer.tar
             digest=$(sha256sum layer.tar.gz | cut -d ' ' -f 1)
             to=$(curl -sfX POST -o /dev/null -w '%header{{location}}' {uploads})
             curl -sfT layer.tar.gz -H 'Content-Type: application/octet-stream' \
                 \"$to&digest=sha256:$digest\""
        );
        let name = "tar c, gzip -6, sha256sum, curl -T";
        Some(self.pushing(user, server, name, shell(user, &script)))
    }

    /// Downloads and unpacks by other programs, one after the other.
    fn fetching(&self, user: &User, server: &Rc<Server>, push: Command) -> Option<Contender> {
        require(&["curl", "sha256sum", "tar", "gzip", "sync"])?;
        let registry = format!("http://{}/v2/app", server.host);
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let script = format!(
            "blob=$(curl -sf -H '{accept}' {registry}/manifests/v1 |
                 sed 's/.*\"layers\":\\[{{[^}}]*\"digest\":\"\\([^\"]*\\)\".*/\\1/')
             curl -sfo layer.tar.gz {registry}/blobs/$blob
             sha256sum layer.tar.gz; mkdir unpacked; tar -C unpacked -xzf layer.tar.gz
             sync -f unpacked"
        );
        let name = "curl, sha256sum, tar xz, sync -f";
        Some(self.pulling(user, server, name, push, shell(user, &script)))
    }

    /// Copies the image without unpacking it.
    fn skopeo(
        &self,
        user: &User,
        server: &Rc<Server>,
        push: Command,
        remote: &str,
    ) -> Option<Contender> {
        require(&["skopeo"])?;
        let script = format!(
            "TMPDIR=. skopeo --insecure-policy copy --src-tls-verify=false \
             docker://{remote} dir:other; sync -f ."
        );
        let name = "skopeo copy docker: dir:";
        Some(self.pulling(user, server, name, push, shell(user, &script)))
    }
}

fn require(tools: &[&str]) -> Option<()> {
    let all = tools.iter().all(|tool| on_path(tool).is_some());
    all.then_some(())
}
