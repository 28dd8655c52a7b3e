// The form, the address, the requests, and the slider.
import { drawModels, showStep } from "./figures.js";
import { showPhrase, showTable } from "./details.js";

const get = (id) => document.getElementById(id);
const state = { choices: null, answer: null, timer: 0, request: 0 };

async function fetchJson(path, body) {
  let response;
  try {
    response = await fetch(path, body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const found = await response.json().catch(() => ({ error: `The server answered with status ${response.status}.` }));
  if (!response.ok) throw new Error(found.error);
  return found;
}

function fill(select, names, selected) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === selected)));
}

// What the form says, as in the address.
function asked() {
  return {
    sentence: get("sentence").value,
    parser: get("parser").value,
    model: get("first").value,
    beside: get("second").value,
    colours: get("colours").value,
  };
}

function setForm(values) {
  const names = state.choices.models.map((model) => model.name);
  get("sentence").value = values.sentence;
  const parser = state.choices.parsers.includes(values.parser) ? values.parser : state.choices.parsers[0];
  get("parser").value = parser;
  get("first").value = names.includes(values.model) ? values.model : names[0];
  get("second").value = ["nothing", ...names].includes(values.beside) ? values.beside : names[1] ?? "nothing";
  get("colours").value = values.colours === "norm" ? "norm" : "prediction";
}

function fromAddress() {
  const given = Object.fromEntries(new URLSearchParams(location.search));
  return "sentence" in given ? given : { ...state.choices.examples[0] };
}

// Width of a picture; those that would be wider are turned or broken into rows.
function roomFor() {
  const width = document.querySelector("main").clientWidth - 66; // without borders and paddings
  return Math.max(200, Math.min(4000, width));
}

async function show(keep) {
  const { sentence, parser, model, beside, colours } = asked();
  const models = [...new Set([model, beside])].filter((name) => name !== "nothing");
  const number = ++state.request;
  get("status").textContent = "Computing …";
  get("form").setAttribute("aria-busy", "true");
  try {
    const answer = await fetchJson("/api/analyse", { sentence, parser, models, colours, width: roomFor() });
    if (number !== state.request) return; // a later one is on its way
    const address = `?${new URLSearchParams({ sentence, parser, model, beside, colours })}`;
    if (keep && address !== location.search) history.pushState(null, "", address);
    document.title = `${sentence.slice(0, 60)} – recnn`;
    showAnswer(answer);
    showError("");
  } catch (error) {
    if (number !== state.request) return;
    get("status").textContent = "";
    get("result").hidden = true;
    showError(error.message);
  } finally {
    if (number === state.request) get("form").removeAttribute("aria-busy");
  }
}

function showError(message) {
  get("error").hidden = !message;
  get("error").textContent = message;
}

function showAnswer(answer) {
  stop();
  state.answer = answer;
  get("result").hidden = false;
  const count = answer.readings.length;
  const notes = [`${count} reading${count === 1 ? "" : "s"} by the parser ${answer.parser}`];
  if (answer.more) notes.push("there are more");
  if (answer.dropped.length) notes.push(`without ${answer.dropped.join(" ")}, which the grammar lacks`);
  get("status").textContent = notes.join("; ");
  drawModels(get("models"), answer, state.choices, select);
  const steps = Math.max(...answer.models.flatMap((model) => model.figures.map((figure) => figure.steps)));
  get("step").max = steps;
  setStep(steps);
  showTable(document.querySelector("#table .scroll"), answer, state.choices);
  select({ reading: 0, span: [1, answer.words.length] });
}

function select(place) {
  showPhrase(get("phrase-words"), get("phrase-models"), state.answer, state.choices, place);
}

function setStep(step) {
  const last = Number(get("step").max);
  get("step").value = step;
  get("step-now").textContent = `${step} of ${last}`;
  get("step").setAttribute("aria-valuetext", `step ${step} of ${last}`);
  showStep(get("models"), step);
}

function stop() {
  clearInterval(state.timer);
  state.timer = 0;
  get("play").textContent = "Play";
}

function play() {
  if (state.timer) return stop();
  setStep(0);
  get("play").textContent = "Stop";
  state.timer = setInterval(() => {
    const step = Number(get("step").value) + 1;
    setStep(step);
    if (step >= Number(get("step").max)) stop();
  }, 700);
}

function listen() {
  get("form").addEventListener("submit", (event) => {
    event.preventDefault();
    show(true);
  });
  for (const id of ["parser", "first", "second", "colours"]) get(id).addEventListener("change", () => show(true));
  get("step").addEventListener("input", () => {
    stop();
    setStep(Number(get("step").value));
  });
  get("play").addEventListener("click", play);
  addEventListener("popstate", () => {
    setForm(fromAddress());
    show(false);
  });
}

function showExamples() {
  for (const example of state.choices.examples) {
    const link = document.createElement("a");
    link.href = "?" + new URLSearchParams(example);
    link.textContent = example.sentence;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      setForm({ ...asked(), ...example });
      show(true);
    });
    get("examples").append(" ", link);
  }
}

async function begin() {
  try {
    state.choices = await fetchJson("/api/choices");
  } catch (error) {
    showError(error.message);
    return;
  }
  const names = state.choices.models.map((model) => model.name);
  fill(get("parser"), state.choices.parsers);
  fill(get("first"), names);
  fill(get("second"), ["nothing", ...names]);
  showExamples();
  listen();
  setForm(fromAddress());
  await show(false);
}

begin();
