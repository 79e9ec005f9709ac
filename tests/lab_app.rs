//! `examples/app` on a bare host: Docker with the house's settings, and a program of the house that serves behind a
//! certificate that was made for it.

use std::path::Path;

use keel_tests::lab::{Image, Lab};

use crate::host::Host;

/// Nodes reach no index of packages of Python: gunicorn comes as a wheel, made of Debian's own package of it.
const WHEEL: &str = r#"
set -e
apt-get -q -y install --no-install-recommends python3 cloud-init >/dev/null
mkdir -p /srv/wheels && cd /srv/wheels
apt-get -q download python3-gunicorn >/dev/null 2>&1 && dpkg-deb -x python3-gunicorn_*.deb tree
python3 - <<'END'
import pathlib, zipfile
info = "gunicorn-20.1.0.dist-info"
tree = pathlib.Path("tree/usr/lib/python3/dist-packages")
with zipfile.ZipFile("gunicorn-20.1.0-py3-none-any.whl", "w") as wheel:
    for file in sorted(tree.rglob("gunicorn/**/*.py")):
        wheel.write(file, file.relative_to(tree))
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: gunicorn\nVersion: 20.1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ngunicorn = gunicorn.app.wsgiapp:run\n")
    wheel.writestr(f"{info}/RECORD", "")
END
"#;

/// What the service answers to somebody who trusts its certificate alone; it needs a moment after its start.
const ASK: &str = r#"
python3 - <<'END'
import ssl, time, urllib.request
trust = ssl.create_default_context(cafile="/etc/ssl/certs/app-1.example.org.pem")
# The name in the certificate is not this host's own.
trust.check_hostname = False
for attempt in range(100):
    try:
        print(urllib.request.urlopen("https://127.0.0.1:8443/", context=trust, timeout=10).read().decode())
        break
    except OSError:
        if attempt == 99:
            raise
        time.sleep(0.3)
END
"#;

#[test]
fn lab_a_bare_host_runs_the_program_of_the_house_beside_docker() {
    let Some(lab) = Lab::for_test(&["app-1"], &Image::bare()) else { return };
    let host = Host::new(&lab, "app-1");
    host.node.copy_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/app"), "/root/app").unwrap();
    host.sh(WHEEL);
    let run = |verb, code| {
        let local = ["--var", "service.wheels=/srv/wheels", "--var", "service.gunicorn=20.1.0"];
        host.expect(code, &[&[verb, "/root/app"], &local[..]].concat())
    };
    run("plan", 2);
    run("apply", 2);
    run("apply", 0);
    assert!(host.sh(ASK).contains("Hello, everybody on app-1"));
    host.sh("systemctl is-active docker && docker info 2>/dev/null | grep -q 'Logging Driver: journald'");
    host.sh("grep -q 'domain=\"coder\" rights=\"none\" pattern=\"PDF\"' /etc/ImageMagick-6/policy.xml");
    host.sh("grep -q '^manage_etc_hosts: false' /etc/cloud/cloud.cfg && grep -q '^cloud_init_modules:' /etc/cloud/cloud.cfg");

    // One changed file of the folder restarts the service once, and what administrators keep there stays.
    host.sh("echo own >/opt/app/program/notes.local; sed -i 's/Hello/Ahoy/' /opt/app/program/words/en.toml");
    let said = run("apply", 2);
    assert!(said.contains("1 changed, 1 refreshed"), "{said}");
    assert!(host.sh(ASK).contains("Hello, everybody"));
    host.sh("grep -q own /opt/app/program/notes.local");
    run("apply", 0);
}
