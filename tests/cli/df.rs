//! `df`

use serde_json::json;
use snapbox::{assert_data_eq, str};

use crate::prune::{room_for, sandbox};

#[test]
fn df_reports_the_used_space_and_what_prune_would_free() {
    let sandbox = sandbox();
    assert_data_eq!(
        sandbox.ok(&["df"]),
        str![[r#"
TYPE        COUNT  DEPLOYED  SIZE  DISK [..]GENERATED  RECLAIMABLE
component   6      0         205B  [..]kB[..]0B         [..]kB
datacenter  1      0         0B    0B [..]0B         0B
leftover    1      0         5B    [..]kB[..]0B         [..]kB

"#]]
    );
    let one: u64 = room_for(&sandbox, 1).parse().unwrap();
    assert_eq!(
        sandbox.json(&["df", "--format", "json"])[0],
        json!({
            "type": "component", "count": 6, "deployed": 0, "size": 205, "disk": 5 * one,
            "generated": 0, "reclaimable": one
        })
    );
    let verbose = sandbox.json(&["df", "-v", "--format", "json"]);
    assert_eq!(
        verbose[0],
        json!({
            "reference": "app:v1", "type": "component", "recordedSize": 41, "size": 41,
            "disk": one, "generated": 0, "deployed": false
        })
    );
    assert_data_eq!(
        sandbox.ok(&["df", "-v"]).lines().last().unwrap(),
        str!["elsewhere:v1 [..] datacenter  no        0B        -     -       -"]
    );
}
