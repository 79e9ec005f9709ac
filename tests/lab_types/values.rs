//! Rows of files that other people's programs judge and read: sudo, logrotate, limits, values, certificates, pip.

use super::{APPLY, Keel, NotSaid, Row, Said, Sh, Site, row};

/// Makes a package of Python in `/tmp/row`.
const WHEEL: &str = r#"
python3 - <<'END'
import zipfile
info = "keel_probe-1.0.dist-info"
with zipfile.ZipFile("/tmp/row/keel_probe-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("keel_probe.py", "answer = 42\n")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: keel-probe\nVersion: 1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
END
"#;

pub(super) const ROWS: [Row; 6] = [
    row(
        "without visudo a plan says so, and what visudo refuses never gets into place",
        &[
            Sh("SUDO_FORCE_REMOVE=yes dpkg --purge sudo >/dev/null 2>&1 || true; mkdir -p /etc/sudoers.d"),
            Site("sudo ops user=root"),
            Keel("plan", 4),
            Said("there is no visudo"),
            Site("package sudo\nsudo ops user=root nopasswd=#true"),
            Keel(APPLY, 2),
            Sh("visudo -cq && test $(stat -c %a /etc/sudoers.d/ops) = 440"),
            Keel(APPLY, 0),
            Site("sudo ops content=\"root ALL=(ALL) ALL\\nnonsense here\\n\""),
            Keel(APPLY, 4),
            Said("the old one stays"),
            Sh("grep -q NOPASSWD /etc/sudoers.d/ops && visudo -cq && test $(ls -A /etc/sudoers.d | grep -c keel) = 0"),
        ],
    ),
    row(
        "what logrotate cannot read never gets into place, and logs that are not there yet are no fault",
        &[
            Sh("apt-get -q -y install logrotate >/dev/null"),
            Site("logrotate app files=\"/var/log/none/*.log\" options=\"rotate many\""),
            Keel(APPLY, 4),
            Said("bad rotation count"),
            Sh("! test -e /etc/logrotate.d/app"),
            Site("logrotate app files=\"/var/log/none/x.log\" { options daily \"rotate 3\"; postrotate \"true\"; }"),
            Keel(APPLY, 2),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "limits hold for the next session",
        &[
            Sh("id row >/dev/null 2>&1 || useradd row"),
            Site("limits row domain=row { both { nofile 777; }; }"),
            Keel(APPLY, 2),
            Sh("test $(su row -s /bin/sh -c 'ulimit -n') = 777"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a shell and a program read the values that were written",
        &[
            Sh("printf '# A=0\\nB=1 # one\\n' >/tmp/row/defaults; printf '{\"a\": [1, 2]}' >/tmp/row/a.json; mkdir -p /srv"),
            Sh("cp /tmp/row/defaults /tmp/row/a.json /srv/"),
            Site(
                "key_value \"/srv/defaults\" { values { A \"it's \\\"$HOME\\\"\"; B 2; }; }\njson_file \"/srv/a.json\" { values { \"a[1]\" x; \"b.c\" #true; }; }",
            ),
            Keel(APPLY, 2),
            Sh(". /srv/defaults && test \"$A\" = 'it'\\''s \"$HOME\"' && grep -q 'B=2 # one' /srv/defaults"),
            Sh("grep -qxF '{\"a\": [1, \"x\"], \"b\": {\"c\": true}}' /srv/a.json"),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a certificate of the house's own authority is what openssl takes it for",
        &[
            Sh("apt-get -q -y install --no-install-recommends openssl >/dev/null; rm -f /etc/ssl/ca.* /etc/ssl/web.*"),
            Site(
                "certificate \"Site CA\" authority=#true certificate=\"/etc/ssl/ca.pem\" key=\"/etc/ssl/ca.key\"\n\
                 certificate web.example.org certificate=\"/etc/ssl/web.pem\" key=\"/etc/ssl/web.key\" ca_certificate=\"/etc/ssl/ca.pem\" ca_key=\"/etc/ssl/ca.key\"",
            ),
            Keel(APPLY, 2),
            NotSaid("PRIVATE KEY"),
            Sh("openssl verify -purpose sslserver -verify_hostname web.example.org -CAfile /etc/ssl/ca.pem /etc/ssl/web.pem"),
            Sh("test \"$(openssl pkey -in /etc/ssl/web.key -pubout)\" = \"$(openssl x509 -in /etc/ssl/web.pem -noout -pubkey)\""),
            Keel(APPLY, 0),
        ],
    ),
    row(
        "a package of Python comes into an environment that is made for it",
        &[
            Sh("apt-get -q -y install --no-install-recommends python3 >/dev/null; rm -rf /opt/venv"),
            Sh(WHEEL),
            Site(
                "package python3-venv\npip keel-probe venv=\"/opt/venv\" offline=#true find_links=\"/tmp/row\" { require (package)python3-venv; }",
            ),
            Keel(APPLY, 2),
            Sh("test $(/opt/venv/bin/python -c 'import keel_probe; print(keel_probe.answer)') = 42"),
            Keel(APPLY, 0),
        ],
    ),
];
