// The page of the API: every operation of /openapi.json, with its fields and responses.

import { make, translate, words } from "./words.js";

let schemas = {};

function resolved(schema) {
  return schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  if (schema.type === "object" && schema.additionalProperties) return `{ … : ${typeOf(schema.additionalProperties)} }`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "";
}

function meaningOf(schema, isRequired) {
  const facts = [schema.description ?? ""];
  if (isRequired) facts.push(words.required);
  if (schema.default !== undefined && schema.default !== null) facts.push(`= ${JSON.stringify(schema.default)}`);
  return facts.filter(Boolean).join(" · ");
}

function table(heads, rows) {
  const head = make("tr", {}, ...heads.map((word) => make("th", { scope: "col" }, word)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function row(name, type, meaning) {
  return make("tr", {}, make("td", {}, make("code", {}, name)), make("td", {}, type), make("td", {}, meaning));
}

function fields(schema) {
  const body = resolved(schema);
  if (!body?.properties) return null;
  const required = new Set(body.required ?? []);
  const rows = Object.entries(body.properties).map(([name, field]) => row(name, typeOf(field), meaningOf(field, required.has(name))));
  return table([words.field, words.type, words.meaning], rows);
}

function operationElement(path, method, operation) {
  const parameters = (operation.parameters ?? []).map((one) => row(one.name, typeOf(one.schema), meaningOf(one.schema, one.required)));
  const asked = operation.requestBody?.content?.["application/json"]?.schema;
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    const [content] = Object.values(response.content ?? {});
    return row(status, typeOf(content?.schema), response.description);
  });
  const answered = Object.entries(operation.responses).find(([status]) => status.startsWith("2"))?.[1].content?.["application/json"]?.schema;
  const heads = [words.field, words.type, words.meaning];
  const hasRequest = parameters.length > 0 || asked;
  return make(
    "details",
    {},
    make("summary", {}, make("code", { className: "method" }, method.toUpperCase()), make("code", {}, path), operation.description ?? ""),
    hasRequest ? make("h3", {}, words.request) : null,
    parameters.length ? table(heads, parameters) : null,
    asked ? fields(asked) : null,
    make("h3", {}, words.responses),
    answered ? fields(answered) : null,
    table(["", words.type, words.meaning], responses),
  );
}

translate();
const response = await fetch("/openapi.json");
const description = await response.json();
schemas = description.components.schemas;
const groups = new Map();
for (const [path, operations] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    const tag = operation.tags?.[0] ?? "";
    if (!groups.has(tag)) groups.set(tag, [make("h2", {}, tag)]);
    groups.get(tag).push(operationElement(path, method, operation));
  }
}
document.getElementById("operations").replaceChildren(...[...groups.values()].flat());
