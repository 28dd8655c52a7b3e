// The pictures: put into the page, walked by the keyboard, and shown step by step.

const get = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export function titleOf(choices, model, label) {
  const offer = choices.models.find((one) => one.name === model);
  return offer.titles[offer.labels.indexOf(label)];
}

export function drawModels(parent, answer, choices, select) {
  get("tip").hidden = true;
  parent.replaceChildren(...answer.models.map((model, index) => modelSection(model, index, answer, choices, select)));
  mark(parent.querySelector("[data-node][tabindex='0']"));
}

function modelSection(model, index, answer, choices, select) {
  const offer = choices.models.find((one) => one.name === model.model);
  const heading = element("h2", { id: `model-${index}` }, model.model);
  const about = element("p", { class: "about" }, offer.description);
  if (model.unknown.length) about.append("; unknown words: ", element("b", {}, model.unknown.join(", ")));
  const figures = element("div", { class: "figures" });
  for (const figure of model.figures) figures.append(figureOf(figure, model, answer, choices, select));
  return element("section", { class: "model", "aria-labelledby": heading.id }, heading, about, figures);
}

function figureOf(figure, model, answer, choices, select) {
  const nodes = figure.reading === null ? model.sequence : model.readings[figure.reading];
  const chain = figure.reading === null;
  const reading = chain ? null : answer.readings[figure.reading];
  let caption = chain ? "The sequence of words, whatever the reading" : `Reading ${figure.reading + 1}`;
  if (reading && reading.probability !== null) caption += `, probability ${reading.probability.toPrecision(3)}`;
  const root = chain ? nodes[nodes.length - 1] : nodes[0];
  const drawn = new DOMParser().parseFromString(figure.svg, "image/svg+xml").documentElement;
  const svg = document.importNode(drawn, true);
  svg.style.minWidth = `${0.7 * Number(svg.getAttribute("width"))}px`; // made smaller to fit, but to be read
  svg.setAttribute("role", "tree");
  svg.setAttribute("aria-label", `${caption}: ${figure.text}`);
  prepare(svg, nodes, chain, (node, label) => described(node, label, model.model, choices), (node) =>
    select({ reading: figure.reading ?? 0, span: node.span, step: chain ? node.step : null }));
  const verdict = element("b", {}, titleOf(choices, model.model, root.label));
  const text = element("figcaption", {}, caption, ". Prediction: ", verdict,
    ` (${percent(Math.max(...root.probabilities))})`);
  return element("figure", { class: "figure" }, text, element("div", { class: "scroll" }, svg));
}

function described(node, label, model, choices) {
  const share = percent(Math.max(...node.probabilities));
  const name = label && label !== node.phrase ? `${label} ${node.phrase}` : node.phrase;
  return `${name}: ${titleOf(choices, model, node.label)} ${share}, step ${node.step}`;
}

// Make tree items of the marks of the nodes; one of them is in the order of the Tab key.
function prepare(svg, nodes, chain, describe, select) {
  for (const title of svg.querySelectorAll("title")) title.remove();
  for (const text of svg.querySelectorAll("text")) text.after(" "); // for readers of the text: not "DetThe"
  for (const group of svg.querySelectorAll("g:not([data-node])")) group.setAttribute("role", "presentation");
  const groups = new Map();
  for (const group of svg.querySelectorAll("[data-node]")) {
    const node = nodes[Number(group.dataset.node)];
    groups.set(node, group);
    group.setAttribute("role", "treeitem");
    const text = describe(node, chain ? "" : group.querySelector("text")?.textContent);
    group.setAttribute("aria-label", text);
    group.setAttribute("aria-level", String(level(nodes, node)));
    group.setAttribute("aria-selected", "false");
    group.setAttribute("tabindex", "-1");
    group.dataset.step = node.step;
    const choose = () => {
      for (const one of svg.querySelectorAll("[data-node]")) one.setAttribute("tabindex", one === group ? "0" : "-1");
      mark(group);
      select(node);
    };
    group.addEventListener("click", () => group.focus());
    group.addEventListener("focus", () => {
      choose();
      showTip(group, text);
    });
    group.addEventListener("blur", hideTip);
    group.addEventListener("pointerenter", () => showTip(group, text));
    group.addEventListener("pointerleave", hideTip);
  }
  for (const edge of svg.querySelectorAll("[data-edge]")) {
    const parent = nodes[nodes[Number(edge.dataset.edge)].parent];
    edge.dataset.step = parent ? parent.step : 0;
  }
  groups.get(chain ? nodes[nodes.length - 1] : nodes[0]).setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => move(event, nodes, groups, chain));
}

// Mark the one chosen node of all pictures.
function mark(group) {
  for (const one of document.querySelectorAll("#models [aria-selected=true]")) one.setAttribute("aria-selected", "false");
  group.setAttribute("aria-selected", "true");
}

function level(nodes, node) {
  let depth = 1;
  for (let at = node; nodes[at.parent]; at = nodes[at.parent]) depth += 1;
  return depth;
}

// Up to the parent, down to the first child, left and right among the children of one parent, or along a sequence.
function move(event, nodes, groups, chain) {
  const group = event.target.closest("[data-node]");
  if (!group) return;
  const number = Number(group.dataset.node);
  const children = (parent) => nodes.flatMap((one, index) => (one.parent === parent ? [index] : []));
  const siblings = children(nodes[number].parent);
  const place = siblings.indexOf(number);
  const next = {
    ArrowUp: nodes[number].parent,
    ArrowDown: children(number)[0],
    ArrowLeft: chain ? number - 1 : siblings[place - 1],
    ArrowRight: chain ? number + 1 : siblings[place + 1],
    Home: nodes.findIndex((one) => !nodes[one.parent]),
  }[event.key];
  if (!(event.key in { ArrowUp: 1, ArrowDown: 1, ArrowLeft: 1, ArrowRight: 1, Home: 1 })) return;
  event.preventDefault();
  groups.get(nodes[next])?.focus();
}

function showTip(group, text) {
  const tip = get("tip");
  const box = group.getBoundingClientRect();
  tip.textContent = text;
  tip.hidden = false;
  const left = Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${box.top + scrollY - tip.offsetHeight - 8}px`;
}

function hideTip() {
  get("tip").hidden = true;
}

// Show the states that are computed up to a step.
export function showStep(parent, step) {
  for (const mark of parent.querySelectorAll("[data-step]"))
    mark.classList.toggle("later", Number(mark.dataset.step) > step);
}
