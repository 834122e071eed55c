// The page's words in two languages; the browser's language decides.

const WORDS = {
  en: {
    api: "API", search: "Search", query: "Search specifications, code, tickets …",
    mode: "Mode", hybrid: "Hybrid", lexical: "Words", dense: "Meaning", sparse: "Learned terms", code: "Code",
    rerank: "Rerank", auto: "Automatic", none: "None", late: "Late interaction", cross: "Cross-encoder",
    source: "Source", kind: "Kind", language: "Language", all: "All",
    prose: "Prose", apis: "API definitions", records: "Sheets, tickets, terms",
    welcome: "Find the exact place, in either language",
    hint: "Ask a question, type a term, or paste an identifier.",
    keyFocus: "search box", keyMove: "move among hits", keyBack: "back to the box",
    nothing: "Nothing found", nothingHint: "Try other words, or fewer filters.", clear: "Clear filters",
    searching: "Searching …", why: "Why this hit", leg: "Leg or stage", rank: "Rank", score: "Score",
    operators: "Also:", exactText: "exact text", exact: "Exact match",
    fused: "Fused (RRF)", version: "Language version", more: "Show all", less: "Show less",
    copy: "Copy", copied: "Copied", revision: "Revision", otherLanguage: "Other language version",
    forbidden: "Not to be called", alsoSearched: "Also searched for", comma: ", ",
    retry: "Try again", offline: "The server does not answer.",
    stages: { embed: "embed", glossary: "glossary", legs: "legs", fetch: "fetch", late: "late interaction", cross: "cross-encoder", versions: "versions" },
    noEmbedder: "The embedding model does not answer: these hits are by words only.",
    noRerank: "Reranking is not available: hits are in the order before it.",
    noPart: (part) => `A part is missing: ${part}.`,
    hits: (count) => (count === 1 ? "1 hit" : `${count} hits`),
    corpus: (sources, documents) => `${documents} documents from ${sources === 1 ? "1 source" : `${sources} sources`}`,
    noSources: "No source is configured yet: shirabe ingest <folder>",
    overloaded: (seconds) => `Too much at once; try again in ${seconds} s.`,
    request: "Request", responses: "Responses", field: "Field", type: "Type", meaning: "Meaning", required: "required",
    docsTitle: "The API", docsHint: "From the OpenAPI 3.1 document at",
  },
  ja: {
    api: "API", search: "検索", query: "仕様書・コード・チケットを検索…",
    mode: "方式", hybrid: "ハイブリッド", lexical: "語句", dense: "意味", sparse: "学習語彙", code: "コード",
    rerank: "並べ替え", auto: "自動", none: "なし", late: "遅延相互作用", cross: "クロスエンコーダー",
    source: "ソース", kind: "種類", language: "言語", all: "すべて",
    prose: "文章", apis: "API 定義", records: "表・チケット・用語",
    welcome: "日本語でも英語でも、正確な場所へ",
    hint: "質問・用語・識別子のどれでも検索できます。",
    keyFocus: "検索欄", keyMove: "結果を移動", keyBack: "検索欄へ戻る",
    nothing: "見つかりませんでした", nothingHint: "別の言葉を試すか、絞り込みを減らしてください。", clear: "絞り込みを解除",
    searching: "検索中…", why: "この結果の理由", leg: "検索系統・段階", rank: "順位", score: "スコア",
    operators: "このほか:", exactText: "そのままの文字列", exact: "完全一致",
    fused: "融合 (RRF)", version: "言語版", more: "すべて表示", less: "折りたたむ",
    copy: "コピー", copied: "コピーしました", revision: "リビジョン", otherLanguage: "別の言語版",
    forbidden: "使わない表記", alsoSearched: "あわせて検索した語", comma: "、",
    retry: "再試行", offline: "サーバーが応答しません。",
    stages: { embed: "埋め込み", glossary: "用語", legs: "検索", fetch: "取得", late: "遅延相互作用", cross: "クロスエンコーダー", versions: "言語版" },
    noEmbedder: "埋め込みモデルが応答しないため、語句だけで検索した結果です。",
    noRerank: "並べ替えができないため、並べ替え前の順序です。",
    noPart: (part) => `利用できない部分があります: ${part}`,
    hits: (count) => `${count} 件`,
    corpus: (sources, documents) => `${sources} 個のソース、${documents} 件の文書`,
    noSources: "ソースがまだありません: shirabe ingest <フォルダー>",
    overloaded: (seconds) => `混み合っています。${seconds} 秒後にもう一度お試しください。`,
    request: "リクエスト", responses: "レスポンス", field: "フィールド", type: "型", meaning: "意味", required: "必須",
    docsTitle: "API", docsHint: "OpenAPI 3.1 文書から:",
  },
};

export const language = (navigator.languages ?? [navigator.language]).find((tag) => /^(ja|en)\b/i.test(tag))?.slice(0, 2).toLowerCase() ?? "en";
export const words = WORDS[language];

/** Put the words of the browser's language into everything that names one. */
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
  for (const element of root.querySelectorAll("[data-label]")) {
    element.placeholder = words[element.dataset.label];
    element.setAttribute("aria-label", words.search);
  }
}

/** Make an element with properties and children; text is always text, never markup. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "lang") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}
