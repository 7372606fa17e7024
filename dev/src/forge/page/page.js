"use strict";

// How often the forge is asked, in milliseconds: a preview takes some hundred, and people want to see it pending.
const EACH = 400;

const el = (tag, props = {}, ...inner) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) name in node ? (node[name] = value) : node.setAttribute(name, value);
  node.append(...inner.filter(x => x != null));
  return node;
};
const place = id => document.getElementById(id);

async function ask(path, body) {
  const how = body === undefined ? {} : {method: "POST", headers: {"content-type": "application/json", "x-driftless-page": "1"}, body: JSON.stringify(body)};
  const answer = await fetch(path, how);
  if (!answer.ok) throw new Error(await answer.text() || answer.statusText);
  return answer.json();
}

// What each place shows, as text: what is the same is left alone, and so are its focus, its folds and its scrolling.
const shown = new WeakMap();
function show(where, what, make) {
  const text = JSON.stringify(what);
  if (shown.get(where) === text) return;
  shown.set(where, text);
  const focused = where.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const name = fold => fold.querySelector("summary")?.textContent;
  const open = new Set([...where.querySelectorAll("details[open]")].map(name));
  where.replaceChildren(...[make()].flat());
  for (const fold of where.querySelectorAll("details")) if (open.has(name(fold))) fold.open = true;
  if (focused) [...where.querySelectorAll("[data-key]")].find(node => node.dataset.key === focused)?.focus({preventScroll: true});
}

const keyed = (key, node) => { node.dataset.key = key; return node };
const dot = state => el("span", {className: "dot " + (state ?? "dim"), role: "img", ariaLabel: state ?? "no status", title: state ?? "no status"});
// One word for several statuses: what is worst counts, as at a merge button.
const worst = statuses => ["error", "failure", "pending", "success"].find(state => statuses.some(status => status.state === state));
const code = text => el("code", {textContent: text});
const lineClass = line => /^\+(?!\+\+ )/.test(line) ? "plus" : /^-(?!-- )/.test(line) ? "minus" : /^(@@|diff |index |\+\+\+ |--- )/.test(line) ? "hunk" : "";

// Can be scrolled, so it can be focused.
function coloured(text, name) {
  const lines = text.replace(/\n$/, "").split("\n").map(line => el("span", {className: "line " + lineClass(line), textContent: line}));
  return el("pre", {tabIndex: 0, role: "region", ariaLabel: name}, el("code", {}, ...lines));
}

// `#OWNER/NAME/NUMBER`
function chosen() {
  const [, project, number] = location.hash.match(/^#([\w.-]+\/[\w.-]+)\/(\d+)$/) ?? [];
  return project && {project, number: Number(number)};
}

/* ---- the repositories ---- */

const sides = new Map();

function side(repo) {
  const list = el("nav", {ariaLabel: "Pull requests of " + repo.name});
  const change = changing(repo.name), branch = opening(repo.name);
  place("repos").append(el("section", {className: "card"}, el("h2", {textContent: repo.name}), list));
  place("more").append(change.card, branch.card);
  return {list, change, branch};
}

// A card with a form that opens a pull request: `fields` are pairs of a label and a control, and the controls' values are sent to `path`.
function proposing(project, heading, path, word, fields) {
  const said = el("p", {className: "said", role: "alert"}), button = el("button", {className: "do", textContent: word});
  const form = el("form", {className: "pad"});
  for (const [text, control] of fields) {
    control.id = `${path} ${control.name} of ${project}`;
    form.append(el("label", {textContent: text, htmlFor: control.id}), control);
  }
  form.append(button, said);
  form.onsubmit = async event => {
    event.preventDefault();
    said.textContent = "";
    button.disabled = true;
    try {
      const {number} = await ask(`/ui/repos/${project}/${path}`, Object.fromEntries(fields.map(([, control]) => [control.name, control.value])));
      form.elements.title.value = "";
      for (const [, control] of fields) control.onchange?.();
      location.hash = `#${project}/${number}`;
    } catch (error) { said.textContent = error.message }
    button.disabled = false;
  };
  return el("section", {className: "card"}, el("h2", {textContent: heading}), form);
}

const titled = () => el("input", {name: "title", required: true, autocomplete: "off"});

function opening(project) {
  const head = el("select", {name: "head", required: true}), base = el("select", {name: "base", required: true});
  const card = proposing(project, "Open a pull request for a branch", "pulls", "Open pull request", [["Title", titled()], ["Merge this branch", head], ["Into this branch", base]]);
  return {card, head, base};
}

function changing(project) {
  const path = el("select", {name: "path", required: true}), title = titled();
  const text = el("textarea", {name: "text", rows: 12, spellcheck: false, wrap: "off", autocomplete: "off"});
  const card = proposing(project, "Open a pull request for a change to a file", "changes", "Open pull request", [["File", path], ["Content", text], ["Title", title]]);
  const change = {card, path, text, files: new Map(), main: undefined};
  path.onchange = () => { text.value = change.files.get(path.value) ?? "" };
  return change;
}

// Text that somebody edits stays; all other follows the branch.
async function showFiles(repo, change) {
  if (repo.main === change.main) return;
  const files = new Map((await ask(`/ui/repos/${repo.name}/files`)).map(({path, text}) => [path, text]));
  const edited = change.text.value !== (change.files.get(change.path.value) ?? "");
  const paths = [...files.keys()];
  choices(change.path, paths, paths.find(path => path.startsWith("deploy/")) ?? paths[0]);
  if (!edited) change.text.value = files.get(change.path.value) ?? "";
  Object.assign(change, {files, main: repo.main});
}

async function showRepo(repo) {
  if (!sides.has(repo.name)) sides.set(repo.name, side(repo));
  const {list, change, branch} = sides.get(repo.name), now = chosen();
  show(list, [repo.pulls, now], () => repo.pulls.length
    ? repo.pulls.map(pull => entry(repo.name, pull, now?.project === repo.name && now.number === pull.number))
    : el("p", {className: "pad dim", textContent: "None yet."}));
  choices(branch.head, repo.branches.filter(name => name !== "main"), repo.branches.at(-1));
  choices(branch.base, repo.branches, "main");
  await showFiles(repo, change);
}

function choices(select, names, first) {
  const before = select.value || first;
  show(select, names, () => names.map(name => el("option", {textContent: name, value: name})));
  select.value = names.includes(before) ? before : names[0] ?? "";
}

function entry(project, pull, current) {
  const link = el("a", {className: "pull", href: `#${project}/${pull.number}`}, dot(worst(pull.statuses)), el("b", {textContent: pull.title}),
    el("small", {}, `#${pull.number} `, el("span", {className: pull.state, textContent: pull.state}), ` · ${pull.head_ref} into ${pull.base_ref}`));
  if (current) link.ariaCurrent = "page";
  return keyed(link.href, link);
}

/* ---- one pull request ---- */

function heading(pull) {
  return [
    el("h1", {}, pull.title + " ", el("span", {className: "dim", textContent: "#" + pull.number})),
    el("div", {className: "dim"}, el("span", {className: "pill " + pull.state, textContent: pull.state}), " ", code(pull.head_ref), " at ", code(pull.head), " into ",
      code(pull.base_ref), ", by ", pull.author),
  ];
}

function checks(project, pull) {
  const rows = pull.statuses.map(status => el("div", {className: "status"}, dot(status.state), el("b", {textContent: status.context}),
    el("span", {className: status.state, textContent: status.state}), el("span", {textContent: status.description})));
  if (!rows.length) rows.push(el("div", {className: "dim", textContent: "No status yet."}));
  return el("section", {className: "card"}, el("h2", {textContent: "Checks"}), el("div", {className: "pad"}, ...rows, ...merging(project, pull)));
}

function merging(project, pull) {
  if (pull.state !== "open") return [];
  const state = worst(pull.statuses), passed = state === "success", failed = state === "failure" || state === "error";
  const said = el("p", {className: "said", role: "alert"});
  const button = el("button", {className: passed ? "do" : "do second", textContent: passed ? "Merge" : failed ? "Merge although it failed" : "Merge without waiting"});
  button.onclick = async () => {
    button.disabled = true;
    try { await ask(`/ui/repos/${project}/pulls/${pull.number}/merge`, {}) } catch (error) { said.textContent = error.message; button.disabled = false }
  };
  return [keyed("merge", button), said];
}

function comment({author, html, reactions}) {
  const body = el("div", {className: "body", innerHTML: html});
  for (const diff of body.querySelectorAll("code.language-diff")) diff.parentElement.replaceWith(coloured(diff.textContent, "What changes"));
  for (const text of body.querySelectorAll("pre:not([tabindex])")) Object.assign(text, {tabIndex: 0, role: "region", ariaLabel: "Text"});
  const marks = reactions.map(mark => el("span", {role: "img", ariaLabel: "Reaction " + mark, textContent: mark}));
  const line = marks.length ? el("div", {className: "reactions"}, ...marks) : null;
  return [el("div", {className: "who"}, el("b", {textContent: author}), " commented"), body, line].filter(Boolean);
}

// Made once for each pull request, so that what is being typed stays.
function saying(path) {
  const text = el("textarea", {name: "body", id: "say it", rows: 3, required: true, placeholder: "/driftless help"});
  const said = el("p", {className: "said", role: "alert"}), button = el("button", {className: "second", textContent: "Comment"});
  const form = el("form", {className: "pad"}, el("label", {textContent: "Write a comment", htmlFor: text.id}), text, button, said);
  form.onsubmit = async event => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "";
    try { await ask(path + "/comments", {body: text.value}); text.value = "" } catch (error) { said.textContent = error.message }
    button.disabled = false;
    refresh();
  };
  return el("section", {className: "card"}, form);
}

function showComments(where, comments) {
  const known = new Map([...where.children].map(card => [card.dataset.id, card]));
  for (const one of comments) {
    const id = String(one.id), card = known.get(id) ?? el("section", {className: "card", ariaLabel: "A comment"});
    card.dataset.id = id;
    if (!known.delete(id)) where.append(card);
    show(card, one, () => comment(one));
  }
  for (const gone of known.values()) gone.remove();
}

async function showPull({project, number}) {
  const path = `/ui/repos/${project}/pulls/${number}`;
  const pull = await ask(path);
  document.title = `${pull.title} #${number}`;
  show(place("head"), [pull.title, pull.number, pull.state, pull.author, pull.head_ref, pull.head, pull.base_ref], () => heading(pull));
  show(place("checks"), [project, number, pull.state, pull.statuses], () => checks(project, pull));
  showComments(place("comments"), pull.comments);
  show(place("say"), path, () => saying(path));
  const between = [path, pull.base, pull.head];
  if (shown.get(place("files")) === JSON.stringify(between)) return;
  const {diff} = await ask(path + "/diff");
  show(place("files"), between, () => diff ? el("section", {className: "card"}, el("h2", {textContent: "Files"}), el("div", {className: "pad"}, coloured(diff, "Changed files"))) : []);
}

/* ---- the loop ---- */

async function look() {
  const repos = await ask("/ui/repos");
  // Whoever comes first wants to see the newest; a choice stays.
  const newest = repos.find(repo => repo.pulls.length);
  if (!chosen() && newest) history.replaceState(null, "", `#${newest.name}/${newest.pulls[0].number}`);
  for (const repo of repos) await showRepo(repo);
  const now = chosen();
  if (now && repos.some(repo => repo.name === now.project && repo.pulls.some(pull => pull.number === now.number))) await showPull(now);
}

let timer, looking = false, again = false;
async function refresh() {
  if (looking) return void (again = true);
  clearTimeout(timer);
  looking = true;
  try {
    await look();
    place("lost").hidden = true;
  } catch {
    place("lost").hidden = false;
  }
  looking = false;
  timer = setTimeout(refresh, again ? 0 : EACH);
  again = false;
}
addEventListener("hashchange", () => {
  // Where the list stands above it, what was chosen would change out of sight.
  place("pull").scrollIntoView({block: "start"});
  refresh();
});
refresh();
