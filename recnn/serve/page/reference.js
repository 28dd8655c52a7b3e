// The endpoints and schemas of /openapi.json, and a form that sends a request.
import { element } from "./figures.js";

const nameOf = (reference) => reference.split("/").pop();

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return element("a", { href: `#${nameOf(schema.$ref)}` }, nameOf(schema.$ref));
  if (schema.anyOf) return joined(schema.anyOf.map(typeOf), " or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (schema.prefixItems) return element("span", {}, "[", joined(schema.prefixItems.map(typeOf), ", "), "]");
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  return schema.type ?? "any";
}

function joined(parts, between) {
  return element("span", {}, ...parts.flatMap((part, index) => (index ? [between, part] : [part])));
}

function schemaSection(name, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([field, one]) => {
    const needed = (schema.required ?? []).includes(field) ? "" : `; default ${JSON.stringify(one.default ?? null)}`;
    return element("tr", {}, element("th", { scope: "row" }, element("code", {}, field)),
      element("td", { class: "wraps" }, typeOf(one), needed), element("td", { class: "wraps" }, one.description ?? ""));
  });
  const heads = ["Field", "Type", "Meaning"].map((text) => element("th", { scope: "col" }, text));
  const head = element("thead", {}, element("tr", {}, ...heads));
  return element("section", { id: name }, element("h2", {}, name), element("p", {}, schema.description ?? ""),
    element("table", {}, head, element("tbody", {}, ...rows)));
}

function answersOf(operation) {
  const items = Object.entries(operation.responses).map(([status, one]) => {
    const schema = one.content?.["application/json"]?.schema;
    return element("li", {}, element("b", {}, status), " ", typeOf(schema), ` ${one.description}`);
  });
  return element("ul", {}, ...items);
}

function operationSection(method, path, operation, schemas) {
  const name = `${method.toUpperCase()} ${path}`;
  const made = element("section", {}, element("h2", {}, name), element("p", {}, operation.summary));
  const body = operation.requestBody?.content["application/json"].schema;
  if (body) made.append(element("p", {}, "Takes ", typeOf(body)));
  made.append(element("p", {}, "Returns"), answersOf(operation), trial(name, method, path, body, schemas));
  return made;
}

function trial(name, method, path, body, schemas) {
  const form = element("form", { "aria-label": name });
  const input = element("textarea", { rows: "6", "aria-label": "Body", spellcheck: "false" });
  if (body) {
    const fields = Object.entries(schemas[nameOf(body.$ref)].properties);
    const example = Object.fromEntries(fields.map(([field, one]) => [field, one.examples?.[0] ?? one.default]));
    input.value = JSON.stringify(example, null, 2);
    form.append(element("div", {}, input));
  }
  const output = element("pre", { tabindex: "0", role: "region", "aria-label": `Answer of ${name}`, hidden: "" });
  form.append(element("button", { type: "submit" }, "Send"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = { "content-type": "application/json" };
    const response = await fetch(path, body ? { method, headers, body: input.value } : { method });
    const text = await response.text();
    output.hidden = false;
    output.textContent = `${response.status}\n${text.startsWith("{") ? JSON.stringify(JSON.parse(text), null, 2) : text}`;
  });
  return element("div", {}, form, output);
}

const api = await (await fetch("/openapi.json")).json();
const main = document.getElementById("reference");
for (const [path, methods] of Object.entries(api.paths))
  for (const [method, operation] of Object.entries(methods))
    main.append(operationSection(method, path, operation, api.components.schemas));
for (const [name, schema] of Object.entries(api.components.schemas))
  if (!name.includes("ValidationError")) main.append(schemaSection(name, schema));
