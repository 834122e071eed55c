// The terms of the glossary that a query names: what each is, what it is also called, what was searched for besides.

import { make, words } from "./words.js";

function names(term) {
  const japanese = term.ja && term.reading && term.reading !== term.ja ? `${term.ja}（${term.reading}）` : term.ja;
  return [japanese, term.en, ...term.abbreviations].filter(Boolean).join(" / ");
}

function line(word, values) {
  return values.length ? make("p", { className: "quiet" }, `${word}: ${values.join(words.comma)}`) : null;
}

export function termElement(term) {
  const opens = URL.canParse(term.uri) && ["http:", "https:"].includes(new URL(term.uri).protocol);
  const name = opens ? make("a", { href: term.uri, rel: "noopener noreferrer" }, names(term)) : names(term);
  return make(
    "div",
    { className: "term" },
    make("dt", { title: term.locator }, name),
    make(
      "dd",
      {},
      term.definition ? make("p", {}, term.definition) : null,
      line(words.forbidden, term.forbidden),
      line(words.alsoSearched, term.also_searched),
    ),
  );
}
