//! A real editor, Neovim, with `keel lsp` for its language server: what its user sees.

use std::path::Path;
use std::process::Command;

use keel_tests::program::keel;

/// Opens the manifest, breaks it, and asks as a user does by keys; what the editor then has goes into a file.
const SESSION: &str = r#"
local keel, site, out = vim.env.KEEL, vim.env.SITE, vim.env.OUT
local client = vim.lsp.start_client({ name = "keel", cmd = { keel, "lsp" }, root_dir = site })
vim.cmd("edit " .. site .. "/manifests/site.kdl")
vim.lsp.buf_attach_client(0, client)
local function wait(what, until_true)
    if not vim.wait(60000, until_true, 50) then error("waited in vain: " .. what) end
end
local function ask(method)
    local answers = vim.lsp.buf_request_sync(0, method, vim.lsp.util.make_position_params(), 60000)
    return answers[client].result
end
local seen = {}
vim.api.nvim_buf_set_lines(0, 1, 2, false, { "    use ngix" })
wait("a diagnostic", function() return #vim.diagnostic.get(0) > 0 end)
seen.diagnostic = vim.diagnostic.get(0)[1]
vim.api.nvim_buf_set_lines(0, 1, 2, false, { "    use nginx" })
wait("none any more", function() return #vim.diagnostic.get(0) == 0 end)
vim.api.nvim_win_set_cursor(0, { 2, 9 })
seen.hover = ask("textDocument/hover").contents.value
seen.definition = ask("textDocument/definition")[1]
vim.api.nvim_win_set_cursor(0, { 2, 8 })
seen.completion = ask("textDocument/completion")
local file = io.open(out, "w")
file:write(vim.fn.json_encode(seen))
file:close()
vim.lsp.stop_client(client)
vim.cmd("qall!")
"#;

#[test]
fn neovim_shows_what_is_wrong_and_where_things_are() {
    let folder = tempfile::tempdir().unwrap();
    let (site, script, out) = (folder.path().join("web"), folder.path().join("session.lua"), folder.path().join("seen.json"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web");
    assert!(Command::new("cp").arg("-r").arg(&example).arg(&site).status().unwrap().success());
    // The first `use` is what the session changes.
    std::fs::write(site.join("manifests/site.kdl"), "group web {\n    use nginx\n}\n").unwrap();
    std::fs::write(&script, format!("local well, why = pcall(function() {SESSION} end)\nif not well then print(why) vim.cmd('cquit') end"))
        .unwrap();
    let mut editor = Command::new("nvim");
    editor.args(["--headless", "-u", "NONE", "-i", "NONE", "--cmd", "set noswapfile", "-c"]).arg(format!("luafile {}", script.display()));
    editor.env("KEEL", keel()).env("SITE", &site).env("OUT", &out).env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
    let ended = editor.output().unwrap();
    assert!(ended.status.success(), "{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert!(seen["diagnostic"]["message"].as_str().unwrap().contains("nginx"), "{seen}");
    assert_eq!(seen["diagnostic"]["lnum"], 1, "{seen}");
    assert!(seen["hover"].as_str().unwrap().contains("workers"), "{seen}");
    assert!(seen["definition"]["uri"].as_str().unwrap().ends_with("/modules/nginx/module.kdl"), "{seen}");
    assert!(seen["completion"].as_array().unwrap().iter().any(|item| item["label"] == "chrony"), "{seen}");
}
