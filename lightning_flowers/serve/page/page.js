// The page: photographs in, answers beside them. All text is set as text, never as markup.
const TRIES = 5;
const LOOK_AGAIN = 3000; // ms
const SHADES = [[20, 20, 90, 0.64], [30, 140, 140, 0.36], [255, 230, 60, 0.28]]; // from little to much
const LOOKED = {
  exact: "Little to much of what speaks for the answer: exact, the places add up to the model's score for it.",
  gradients: "Little to much of what speaks for the answer: an approximation, by gradients.",
  pixels: "Little to much of what speaks for the answer: an approximation, by gradients of the pixels.",
};
const one = (selector, within = document) => within.querySelector(selector);
let key = "";
let about = null;
let line = Promise.resolve(); // photographs go one after the other

function percent(probability) { // nothing is certain, and nothing cannot be
  return probability < 0.001 ? "<0.1 %" : `${Math.min(100 * probability, 99.9).toFixed(1)} %`;
}

async function call(path, options = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  for (let number = 1; ; number += 1) {
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 503 || number === TRIES) return response;
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * number));
  }
}

async function told(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `the server answers ${response.status}`;
  }
}

async function learn() {
  const response = await call("/v1/model");
  one("#key-form").hidden = response.status !== 401;
  one("#drop").hidden = response.status === 401;
  if (!response.ok) return response.status;
  about = await response.json();
  const calibrated = about.calibrated ? "calibrated probabilities" : "probabilities that are not calibrated";
  one("#about").textContent = `The model ${about.name} tells ${about.classes} kinds of flowers apart, with ${calibrated}.`;
  one("#doubt").textContent = doubt(about.threshold);
  if (!one("#examples img")) offer();
  return response.status;
}

async function offer() {
  const response = await call("/v1/examples");
  if (!response.ok) return;
  for (const { number, name } of (await response.json()).examples) {
    const item = await thumb(number, name);
    if (!item) continue;
    one("#examples .row").append(item);
    one("#examples").hidden = false;
  }
}

async function thumb(number, name) { // a validation picture, to be tried
  const response = await call(`/v1/val/${number}`);
  if (!response.ok) return null;
  const blob = await response.blob();
  const [item, button, image] = ["li", "button", "img"].map((tag) => document.createElement(tag));
  image.src = URL.createObjectURL(blob);
  image.alt = `validation picture: ${name}`;
  button.append(image);
  button.addEventListener("click", () => add([new File([blob], `${name}.jpg`, { type: blob.type })]));
  item.append(button);
  return item;
}

function doubt(threshold) {
  if (!threshold) return "This model has no validation pictures: nothing says when it is not sure.";
  const wrong = threshold.wrong_passed === null ? "there were no wrong ones" : `of ${threshold.wrong} wrong ones ${percent(threshold.wrong_passed)} passed too`;
  return `"Not sure, or no flower" stands where the first answer has less than ${percent(threshold.threshold)}. On the run's validation `
    + `pictures, all of them flowers, ${percent(threshold.right_kept)} of ${threshold.right} right answers passed this; ${wrong}.`;
}

function add(files) {
  const pictures = [...files];
  if (!pictures.length) return say("That was no photograph.");
  for (const file of pictures) {
    const card = one("#card").content.cloneNode(true).firstElementChild;
    one("figcaption", card).textContent = file.name;
    one("h2", card).textContent = "…";
    card.ariaBusy = "true";
    one("#answers").prepend(card);
    const drawn = draw(file, one(".photo", card));
    line = line
      .then(() => ask(file, card, drawn))
      .catch((error) => fail(card, `the server cannot be reached: ${error.message}`))
      .finally(() => { card.ariaBusy = "false"; });
  }
}

async function draw(file, canvas) { // the square that the model sees, turned as the camera says
  canvas.setAttribute("aria-label", `photograph ${file.name}, its middle square`);
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const side = Math.min(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return true;
  } catch {
    return false; // the server may read formats that this browser does not
  }
}

async function ask(file, card, drawn) {
  if (about && file.size > about.limits.bytes - 1024) {
    return fail(card, `${file.name}: has more than ${about.limits.bytes >> 20} MB, the most that this server takes`);
  }
  const response = await post(file, "heat_map=true&neighbours=true");
  if (response.status === 401) learn();
  card.classList.toggle("alone", !response.ok && !(await drawn));
  if (!response.ok) return fail(card, await told(response));
  const [answer] = (await response.json()).answers;
  if (!(await drawn)) one("figcaption", card).textContent += " (a format that this browser does not show)";
  show(card, answer);
  near(file, card, answer).catch(() => {}); // without them the answer stands
}

function post(file, wanted) {
  const form = new FormData();
  form.append("file", file, file.name || "picture");
  return call(`/v1/predict?${wanted}`, { method: "POST", body: form });
}

async function near(file, card, answer) { // as soon as the server has looked at its validation pictures
  const place = one(".near", card);
  while (!answer.neighbours) {
    about = await (await call("/v1/model")).json();
    if (!about.neighbours) return;
    const { known, pictures } = about.neighbours;
    if (known === pictures) {
      [answer] = (await (await post(file, "neighbours=true")).json()).answers;
    } else {
      place.hidden = false;
      one("p", place).textContent = `The nearest validation pictures come once the server has looked at all: ${known} of ${pictures}.`;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
    }
  }
  const items = await Promise.all(answer.neighbours.map(async ({ number, name, similarity }) => {
    const item = await thumb(number, name);
    item?.append(...[name, similarity.toFixed(2)].map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    return item;
  }));
  one("p", place).textContent = `The nearest of ${about.neighbours.pictures} validation pictures, with the cosine of their features:`;
  one("ol", place).replaceChildren(...items.filter(Boolean));
  place.hidden = false;
}

function show(card, answer) {
  const [first] = answer.guesses;
  one("h2", card).textContent = answer.sure === false ? "Not sure, or no flower" : first.name;
  const verdict = one(".verdict", card);
  verdict.classList.toggle("unsure", answer.sure === false);
  verdict.textContent = answer.sure === false ? `If it is one of the flowers that the model knows, ${first.name} is the likeliest.` : "";
  verdict.hidden = !verdict.textContent;
  one(".guesses", card).replaceChildren(...answer.guesses.map(row));
  if (answer.heat_map) heat(card, answer.heat_map, first.name);
  say(`${answer.picture}: ${one("h2", card).textContent}; ${answer.guesses.map((guess) => `${guess.name} ${percent(guess.probability)}`).join(", ")}`);
}

function row(guess) {
  const item = document.createElement("li");
  const [name, share, track, bar] = ["span", "span", "div", "span"].map((tag) => document.createElement(tag));
  name.textContent = guess.name;
  share.textContent = percent(guess.probability);
  share.className = "share";
  track.className = "track";
  track.ariaHidden = "true";
  bar.style.width = `${100 * guess.probability}%`;
  track.append(bar);
  item.append(name, share, track);
  return item;
}

function heat(card, map, name) {
  const [height, width] = [map.places.length, map.places[0].length];
  const most = Math.max(...map.places.flat(), Number.EPSILON);
  const small = new OffscreenCanvas(width, height);
  const image = small.getContext("2d").createImageData(width, height);
  map.places.flat().forEach((value, place) => image.data.set(shade(Math.max(value, 0) / most), 4 * place));
  small.getContext("2d").putImageData(image, 0, 0);
  const canvas = one(".heat", card);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const box = one(".show input", card);
  const toggle = () => {
    one(".picture", card).classList.toggle("heated", box.checked);
    one(".scale", card).hidden = !box.checked;
  };
  one(".show span", card).textContent = `Show what the model looked at for ${name}`;
  one(".looked", card).textContent = LOOKED[map.method];
  one(".show", card).hidden = false;
  box.addEventListener("change", toggle);
  toggle();
}

function shade(share) {
  const place = share * (SHADES.length - 1);
  const below = Math.min(Math.floor(place), SHADES.length - 2);
  const [red, green, blue, alpha] = SHADES[below].map((value, part) => value + (SHADES[below + 1][part] - value) * (place - below));
  return [red, green, blue, 255 * alpha];
}

function fail(card, why) {
  one("h2", card).textContent = "No answer";
  one(".verdict", card).className = "verdict trouble";
  one(".verdict", card).textContent = why;
  say(`No answer: ${why}`);
}

function say(text) {
  one("#said").textContent = text;
}

for (const input of document.querySelectorAll("#files, #shot")) {
  input.addEventListener("change", () => {
    add(input.files);
    input.value = ""; // the same photograph may be chosen again
  });
}
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (!one("#drop").hidden) add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length && !one("#drop").hidden) add(event.clipboardData.files);
});
one("#key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = one("#key").value.trim();
  const status = await learn();
  one("#key-said").textContent = status === 401 ? "That is not the key." : "";
  if (status === 200) one("#files").focus();
});
learn().catch(() => say("the server cannot be reached"));
