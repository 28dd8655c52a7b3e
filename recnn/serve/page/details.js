// The chosen phrase in all models, and the table of all phrases.
import { element, percent, titleOf } from "./figures.js";

const same = (one, other) => one[0] === other[0] && one[1] === other[1];

function nodeAt(model, place) {
  const own = model.readings[place.reading].find((node) => same(node.span, place.span));
  return own ?? model.sequence.find((node) => same(node.span, place.span));
}

export function showPhrase(words, parent, answer, choices, place) {
  const phrase = answer.words.slice(place.span[0] - 1, place.span[1]).join(" ");
  const many = answer.readings.length > 1 && place.step == null;
  words.replaceChildren(element("q", {}, phrase), many ? ` in reading ${place.reading + 1}` : "");
  parent.replaceChildren(...answer.models.map((model) => phraseIn(model, nodeAt(model, place), choices)));
}

function phraseIn(model, node, choices) {
  const heading = element("h3", {}, model.model);
  if (!node) return element("div", {}, heading, element("p", {}, "These words are no phrase of the tree."));
  const offer = choices.models.find((one) => one.name === model.model);
  const bars = element("table", { class: "bars" }, element("caption", {}, "Probabilities of the classes"));
  node.probabilities.forEach((share, index) => {
    const meter = element("progress", { max: "1", value: share, "aria-label": offer.titles[index] });
    const row = element("tr", {}, element("th", { scope: "row" }, offer.titles[index]),
      element("td", { class: "bar" }, meter), element("td", {}, percent(share)));
    if (offer.labels[index] === node.label) row.classList.add("best");
    bars.append(row);
  });
  const near = element("ol", { class: "near" });
  for (const one of node.nearest)
    near.append(element("li", {}, element("q", {}, one.phrase),
      element("small", {}, ` ${one.similarity.toFixed(2)}, ${titleOf(choices, model.model, one.label)}`)));
  const nearest = node.nearest.length ? [element("h4", {}, "Nearest phrases"), near] : [];
  const norm = element("p", { class: "about" },
    `Norm of the state ${node.norm.toFixed(2)}, ${model.network === "tree" ? "in step" : "words read:"} ${node.step}`);
  return element("div", {}, heading, bars, norm, ...nearest);
}

export function showTable(parent, answer, choices) {
  const head = element("tr", {}, element("th", { scope: "col" }, "Phrase"));
  for (const model of answer.models) head.append(element("th", { scope: "col" }, model.model));
  const body = element("tbody");
  answer.readings.forEach((reading, index) => {
    if (answer.readings.length > 1) {
      const columns = 1 + answer.models.length;
      body.append(element("tr", {}, element("th", { colspan: columns, scope: "colgroup" }, `Reading ${index + 1}`)));
    }
    const spans = new Map();
    for (const model of answer.models)
      for (const node of model.readings[index]) spans.set(node.span.join(), node.span);
    const inOrder = [...spans.values()].sort((one, other) => other[1] - other[0] - (one[1] - one[0]) || one[0] - other[0]);
    for (const span of inOrder) body.append(row(answer, choices, index, span));
  });
  parent.replaceChildren(element("table", {}, element("thead", {}, head), body));
}

function row(answer, choices, reading, span) {
  const cells = answer.models.map((model) => {
    const node = nodeAt(model, { reading, span });
    if (!node) return element("td", {}, "–");
    return element("td", {}, `${titleOf(choices, model.model, node.label)} ${percent(Math.max(...node.probabilities))}`);
  });
  const labels = cells.map((cell) => cell.textContent.replace(/ \d+ %$/, "")).filter((label) => label !== "–");
  const different = new Set(labels).size > 1;
  const words = answer.words.slice(span[0] - 1, span[1]).join(" ");
  return element("tr", different ? { class: "different" } : {}, element("th", { scope: "row" }, words), ...cells);
}
