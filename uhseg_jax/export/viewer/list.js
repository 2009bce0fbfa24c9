// The list of images.

function fillList() {
  $("list").replaceChildren(...images.map(({ name }, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    const label = document.createElement("span");
    button.type = "button";
    button.tabIndex = -1; // one stop for the tab key, see markInList
    button.dataset.index = index;
    showThumbnail(image, index);
    image.alt = "";
    label.textContent = button.title = name;
    button.append(image, label);
    button.addEventListener("click", () => show(index));
    item.append(button);
    return item;
  }));
}

const listed = () => [...$("list").querySelectorAll("li:not([hidden]) button")];

function filter() {
  const sought = $("filter").value.trim().toLowerCase();
  let found = 0;
  [...$("list").children].forEach((item, index) => {
    item.hidden = !images[index].name.toLowerCase().includes(sought);
    found += !item.hidden;
  });
  $("no-match").hidden = found > 0;
  giveTabStop();
}

function markInList(index) {
  $("position").textContent = `${index + 1} of ${images.length}`;
  for (const button of $("list").querySelectorAll("button"))
    button.toggleAttribute("aria-current", Number(button.dataset.index) === index);
  const here = $("list").querySelector("[aria-current]");
  if (here) reveal(here);
  giveTabStop();
  if ($("list").contains(document.activeElement)) here?.focus({ preventScroll: true });
}

// How many regions are selected in each image.
function countInList() {
  [...$("list").children].forEach((item, index) => {
    const count = selections.get(index)?.length;
    if (count) item.firstChild.dataset.chosen = count;
    else delete item.firstChild.dataset.chosen;
  });
}

function giveTabStop() {
  const buttons = listed();
  const stop = buttons.find((one) => one.hasAttribute("aria-current")) ?? buttons[0];
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}

// Scrolls the list and not the page, on which the image shall stay where it is.
function reveal(button, list = $("list")) {
  const near = (scroll, start, size, room) =>
    Math.min(Math.max(scroll, start + size - room), start);
  list.scrollTop = near(
    list.scrollTop, button.offsetTop, button.offsetHeight, list.clientHeight);
  list.scrollLeft = near(
    list.scrollLeft, button.offsetLeft, button.offsetWidth, list.clientWidth);
}

function step(by) {
  const indices = listed().map((button) => Number(button.dataset.index));
  const at = indices.indexOf(wanted);
  const next = at < 0 ? (by > 0 ? 0 : indices.length - 1) : at + by;
  if (next >= 0 && next < indices.length) show(indices[next]);
}
