"use strict";
(() => {
  const field = (name) => document.getElementById(name);
  const names = ["q", "group", "type"];
  const entries = [...document.querySelectorAll(".entry")].map((section) => ({
    section,
    groups: section.dataset.groups.split(" "),
    head: [...section.querySelectorAll("h2, .hosts, .problems, .list")].map((part) => part.textContent).join(" ").toLowerCase(),
    resources: [...section.querySelectorAll(".resource")].map((box) => ({ box, text: box.textContent.toLowerCase() })),
  }));

  // What is asked for stands behind the # of the address, so that a view can be sent to somebody.
  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    names.forEach((name) => { field(name).value = asked.get(name) || ""; });
  };
  const write = () => {
    const asked = new URLSearchParams();
    names.filter((name) => field(name).value).forEach((name) => asked.set(name, field(name).value));
    history.replaceState(null, "", "#" + asked);
  };

  const filter = () => {
    const words = field("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [group, type] = [field("group").value, field("type").value];
    const has = (text) => words.every((word) => text.includes(word));
    let shown = 0;
    for (const { section, groups, head, resources } of entries) {
      const inHead = has(head);
      let matching = 0;
      for (const { box, text } of resources) {
        box.hidden = Boolean(type && box.dataset.type !== type) || !(inHead || has(head + " " + text));
        matching += box.hidden ? 0 : 1;
      }
      section.hidden = Boolean(group && !groups.includes(group)) || !(matching || (inHead && !type));
      shown += section.hidden ? 0 : 1;
    }
    field("count").textContent = shown === entries.length ? "" : shown + " of " + entries.length + " sets of hosts shown";
  };

  const form = field("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); write(); });
  form.addEventListener("reset", () => setTimeout(() => { filter(); write(); }));
  // An address without = leads to a place on the page and asks for nothing.
  const asks = () => !location.hash || location.hash.includes("=");
  window.addEventListener("hashchange", () => { if (asks()) { read(); filter(); } });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field("q").focus();
    }
  });
  read();
  filter();
})();
