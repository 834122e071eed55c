// The search page: the address holds the state, the state asks the API, the answer becomes elements.

import { termElement } from "./terms.js";
import { language, make, translate, words } from "./words.js";

const KINDS = {
  prose: ["section", "table", "code_block", "text"],
  code: ["function", "class", "module", "method", "code", "config"],
  api: ["overview", "operation", "schema"],
  records: ["record", "issue", "term"],
};
const CODE = new Set([...KINDS.code, "code_block"]);
const CONTROLS = ["mode", "rerank", "source", "kind", "lang"];
const STAGES = ["exact", "lexical", "dense", "sparse", "fused", "late", "cross", "version"];
const CLOSED_CHARS = 360;
const CLOSED_LINES = 12;

const at = (id) => document.getElementById(id);
const form = at("form");
const query = at("query");
const client = clientOfTab();
let running = null;

function stateOf(search) {
  const given = new URLSearchParams(search);
  const state = { q: given.get("q") ?? "" };
  for (const name of CONTROLS) state[name] = given.get(name) ?? "";
  return state;
}

function stateOfForm() {
  const state = { q: query.value.trim() };
  for (const name of CONTROLS) state[name] = form.elements[name].value;
  return state;
}

function showState(state) {
  query.value = state.q;
  for (const name of CONTROLS) {
    const control = form.elements[name];
    const known = [...control.options].some((option) => option.value === state[name]);
    if (!known && name === "source" && state.source) control.append(make("option", { value: state.source }, state.source));
    control.value = known || name === "source" ? state[name] : control.options[0].value;
  }
  showOperators();
}

/** Say what developers may type, where it all works. */
function showOperators() {
  at("operators").hidden = form.elements.mode.value !== "code";
}

function addressOf(state) {
  const given = new URLSearchParams();
  if (state.q) given.set("q", state.q);
  for (const name of CONTROLS) {
    if (state[name] && state[name] !== form.elements[name].options[0].value) given.set(name, state[name]);
  }
  return given.size ? `/?${given}` : "/";
}

function requestOf(state) {
  const filters = {};
  if (state.source) filters.source = state.source;
  if (state.lang) filters.lang = state.lang;
  if (KINDS[state.kind]) filters.kind = KINDS[state.kind];
  return { query: state.q, top_k: 20, mode: state.mode || "hybrid", rerank: state.rerank || "auto", filters, explain: true, client_id: client };
}

/** Return a name drawn for this tab: it says that two searches are of one reader, not of whom. */
function clientOfTab() {
  const drawn = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const known = sessionStorage.getItem("client") ?? drawn;
    sessionStorage.setItem("client", known);
    return known;
  } catch {
    return drawn;
  }
}

/** Tell that a hit was opened; the page may be left while this is sent. */
function tellOpened(queryId, hit, ordinal) {
  const event = {
    action_name: "click",
    query_id: queryId,
    client_id: client,
    event_attributes: { object: { object_id: hit.chunk_id, object_id_field: "chunk_id" }, position: { ordinal } },
  };
  // As JSON, or the browser would send no origin with it (this page sends no referrer), and be refused.
  navigator.sendBeacon("/v1/events", new Blob([JSON.stringify({ events: [event] })], { type: "application/json" }));
}

async function run(state) {
  running?.abort();
  document.title = state.q ? `${state.q} – Shirabe` : "Shirabe";
  at("notice").hidden = at("nothing").hidden = at("terms").hidden = true;
  at("welcome").hidden = Boolean(state.q);
  if (!state.q) {
    at("hits").replaceChildren();
    at("status").replaceChildren();
    return;
  }
  const mine = (running = new AbortController());
  at("status").replaceChildren(words.searching);
  at("hits").setAttribute("aria-busy", "true");
  try {
    const response = await fetch("/v1/search", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(requestOf(state)),
      signal: mine.signal,
    });
    const answer = await response.json();
    if (response.ok) showAnswer(answer);
    else showProblem(answer, response.headers.get("Retry-After"));
  } catch (error) {
    if (error.name === "AbortError") return;
    showProblem({ title: words.offline });
  }
  if (mine === running) at("hits").removeAttribute("aria-busy");
}

function showProblem(problem, retryAfter) {
  at("hits").replaceChildren();
  at("status").replaceChildren();
  const detail = problem.status === 429 ? words.overloaded(retryAfter ?? 1) : problem.detail;
  const retry = make("button", { type: "button" }, words.retry);
  retry.addEventListener("click", () => run(stateOfForm()));
  notice("error", make("strong", {}, problem.title ?? ""), detail ? `: ${detail} ` : " ", retry);
}

function notice(kind, ...children) {
  at("notice").className = `notice ${kind}`;
  at("notice").replaceChildren(...children);
  at("notice").hidden = false;
}

function showAnswer(answer) {
  if (answer.degraded.length) {
    const told = { embedder: words.noEmbedder, rerank: words.noRerank };
    notice("warning", answer.degraded.map((part) => told[part] ?? words.noPart(part)).join(" "));
  }
  const stages = Object.entries(answer.stages_ms).map(([name, took]) => `${words.stages[name] ?? name} ${took.toFixed(0)}`);
  at("status").replaceChildren(
    make("b", {}, words.hits(answer.hits.length)),
    ` · ${answer.took_ms.toFixed(0)} ms `,
    make("span", { className: "quiet" }, `(${stages.join(" · ")}) · ${answer.generation}`),
  );
  at("terms").replaceChildren(...answer.glossary.map(termElement));
  at("terms").hidden = answer.glossary.length === 0;
  at("nothing").hidden = answer.hits.length > 0;
  at("hits").replaceChildren(...answer.hits.map((hit, place) => hitElement(hit, answer.query_id, place + 1)));
  window.scrollTo({ top: 0 });
}

function hitElement(hit, queryId, ordinal) {
  const isCode = CODE.has(hit.kind);
  const opens = URL.canParse(hit.uri) && ["http:", "https:"].includes(new URL(hit.uri).protocol);
  const name = hit.title || hit.path;
  const title = opens
    ? make("a", { href: hit.uri, rel: "noopener noreferrer", className: "open" }, name)
    : make("span", { className: "open", tabIndex: 0 }, name);
  const headings = hit.headings.filter((heading) => heading !== name);
  const article = make(
    "article",
    {},
    make("h2", { lang: hit.lang }, title),
    headings.length ? make("p", { className: "headings", lang: hit.lang }, headings.join(" › ")) : null,
    textElement(hit, isCode),
    make(
      "p",
      { className: "facts" },
      make("span", { className: `badge ${isCode ? "is-code" : ""}` }, hit.kind),
      hit.lang ? make("span", { className: "badge" }, hit.lang) : null,
      make("span", {}, hit.source),
      placeElement(hit, opens),
      hit.revision ? make("code", { title: `${words.revision} ${hit.revision}` }, hit.revision.slice(0, 10)) : null,
      timeElement(hit.updated_at),
    ),
    hit.legs ? whyElement(hit.legs) : null,
  );
  if (queryId) {
    const told = (event) => {
      if (event.button < 2 && event.target.closest("a")) tellOpened(queryId, hit, ordinal);
    };
    article.addEventListener("click", told);
    article.addEventListener("auxclick", told);
  }
  const version = hit.legs?.version;
  return make("li", version ? { className: "version", title: words.otherLanguage } : {}, article);
}

function placeElement(hit, opens) {
  const place = make("code", { className: "place", title: hit.locator }, hit.locator);
  const copy = make("button", { type: "button", className: "link" }, words.copy);
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(hit.locator);
    copy.textContent = words.copied;
    setTimeout(() => (copy.textContent = words.copy), 1500);
  });
  const shown = opens ? make("a", { href: hit.uri, rel: "noopener noreferrer" }, place) : place;
  return make("span", { className: "where" }, shown, copy);
}

function timeElement(stamp) {
  const when = new Date(stamp);
  const shown = new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(when);
  return make("time", { dateTime: stamp, title: when.toLocaleString(language) }, shown);
}

function textElement(hit, isCode) {
  const element = make(isCode ? "pre" : "p", { className: "text", lang: hit.lang });
  const short = isCode ? hit.text.split("\n").slice(0, CLOSED_LINES).join("\n") : hit.text.slice(0, CLOSED_CHARS);
  const lines = isCode ? (hit.lines ?? []) : [];
  const marked = hit.highlights.length > 0 && (!isCode || lines.length > 0);
  const isCut = marked || short.length < hit.text.length;
  const close = () => {
    if (lines.length) element.replaceChildren(...hit.highlights.flatMap((part, place) => numbered(part, lines[place], place)));
    else if (marked) element.replaceChildren(...hit.highlights.flatMap((part, place) => (place ? [" … ", ...markup(part)] : markup(part))));
    else element.replaceChildren(short, isCut ? " …" : "");
  };
  close();
  const plain = marked ? element.textContent : short;
  if (!isCut || plain.length >= hit.text.length) return element;
  const toggle = make("button", { type: "button", className: "link", ariaExpanded: "false" }, words.more);
  toggle.addEventListener("click", () => {
    const open = toggle.ariaExpanded !== "true";
    if (open) element.replaceChildren(hit.text);
    else close();
    element.classList.toggle("whole", open);
    toggle.ariaExpanded = String(open);
    toggle.textContent = open ? words.less : words.more;
  });
  return make("div", {}, element, toggle);
}

/** Turn a highlighted line of code into nodes, its number first. */
function numbered(part, line, place) {
  return [place ? "\n" : "", make("span", { className: "line" }, String(line)), ...markup(part)];
}

/** Turn a highlighted fragment into nodes: <em> is the one tag it may hold, the rest is escaped text. */
function markup(fragment) {
  return fragment.split(/(<em>.*?<\/em>)/s).map((part) => {
    const marked = part.match(/^<em>(.*)<\/em>$/s);
    return marked ? make("em", {}, unescaped(marked[1])) : unescaped(part);
  });
}

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&", "&apos;": "'" };

function unescaped(text) {
  return text.replace(/&(?:lt|gt|quot|amp|apos|#x[0-9a-f]{1,6}|#\d{1,7});/gi, (entity) => {
    if (ENTITIES[entity]) return ENTITIES[entity];
    const code = entity[2] === "x" || entity[2] === "X" ? parseInt(entity.slice(3), 16) : parseInt(entity.slice(2), 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
  });
}

function whyElement(legs) {
  const names = STAGES.filter((name) => legs[name]);
  const rows = names.map((name) =>
    make("tr", {}, make("th", { scope: "row" }, words[name] ?? name), make("td", {}, `#${legs[name].rank}`), make("td", {}, legs[name].score.toPrecision(4))),
  );
  const head = make("tr", {}, ...[words.leg, words.rank, words.score].map((word) => make("th", { scope: "col" }, word)));
  return make("details", { className: "why" }, make("summary", {}, words.why), make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

async function loadSources() {
  try {
    const response = await fetch("/v1/sources");
    if (!response.ok) return;
    const { sources } = await response.json();
    const chosen = form.elements.source.value;
    const names = sources.map((source) => source.name).filter((name) => name !== chosen);
    form.elements.source.append(...names.map((name) => make("option", { value: name }, name)));
    const documents = sources.reduce((sum, source) => sum + source.documents, 0);
    at("corpus").textContent = sources.length ? words.corpus(sources.length, documents) : words.noSources;
  } catch {
    at("corpus").textContent = words.offline;
  }
}

function go(state, replace = false) {
  const address = addressOf(state);
  if (address !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", address);
  run(state);
}

function moveAmongHits(step) {
  const places = [...document.querySelectorAll(".hits .open")];
  const next = places.indexOf(document.activeElement) + step;
  if (next < 0) query.focus();
  else places[next]?.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  go(stateOfForm());
});
form.addEventListener("change", (event) => {
  showOperators();
  if (event.target !== query && query.value.trim()) go(stateOfForm());
});
at("clear").addEventListener("click", () => {
  const state = { ...stateOf(""), q: query.value.trim() };
  showState(state);
  go(state);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    query.select();
  } else if (event.key === "Escape" && document.activeElement !== query) query.focus();
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (document.activeElement === query || document.activeElement?.classList.contains("open"))) {
    event.preventDefault();
    moveAmongHits(event.key === "ArrowDown" ? 1 : -1);
  }
});
window.addEventListener("popstate", () => {
  const state = stateOf(location.search);
  showState(state);
  run(state);
});

translate();
showState(stateOf(location.search));
loadSources();
run(stateOfForm());
