//! A cluster's configuration, in a file: what a run costs that finds all of it as declared.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::files::write_site;
use crate::measure::{cost, in_turns};
use crate::table::Row;

/// Half of them resources of the cluster, half constraints on them.
const ELEMENTS: usize = 300;

/// A plan of them that finds nothing to do, beside the one read that it needs.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let (site, cib) = (folder.path().join("site"), folder.path().join("cib.xml"));
    let half = ELEMENTS / 2;
    let manifest = format!(
        "group all {{\n    for i in=\"range({half})\" {{\n        \
         pcmk_primitive \"dummy-{{{{ i }}}}\" agent=\"ocf:pacemaker:Dummy\" {{\n            op monitor interval=\"10s\"\n        }}\n        \
         pcmk_location \"where-{{{{ i }}}}\" rsc=\"dummy-{{{{ i }}}}\" node=n1 score=\"{{{{ i }}}}\"\n    }}\n}}\n"
    );
    write_site(&site, &manifest)?;
    let empty =
        Command::new("cibadmin").arg("--empty").output().map_err(|error| format!("cibadmin: {error}; install pacemaker-cli-utils"))?;
    std::fs::write(&cib, empty.stdout)?;
    let [keel, site, file] = [keel, &site, &cib].map(|path| path.to_string_lossy());
    cost(&[&keel, "apply", &site, "--host", "bench", "--cib", &file])?;
    let variable = format!("CIB_file={file}");
    let read = || cost(&["env", &variable, "cibadmin", "--query"]);
    let plan = || cost(&[&keel, "plan", &site, "--host", "bench", "--cib", &file]);
    let (read, plan) = in_turns(read, plan)?;
    let beyond = plan.cpu.saturating_sub(read.cpu);
    Ok(vec![Row::time(&format!("a plan of {ELEMENTS} elements of a CIB, beyond cibadmin"), beyond, Duration::from_millis(100))])
}
