// The list of images.

function fillList() {
  $("list").replaceChildren(...images.map(({ name, thumbnail }, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    const label = document.createElement("span");
    button.type = "button";
    button.dataset.index = index;
    image.src = thumbnail;
    image.alt = "";
    label.textContent = button.title = name;
    button.append(image, label);
    button.addEventListener("click", () => show(index));
    item.append(button);
    return item;
  }));
}

function filter() {
  const wanted = $("filter").value.trim().toLowerCase();
  let found = 0;
  [...$("list").children].forEach((item, index) => {
    item.hidden = !images[index].name.toLowerCase().includes(wanted);
    found += !item.hidden;
  });
  $("no-match").hidden = found > 0;
}

function markInList(index) {
  $("position").textContent = `${index + 1} of ${images.length}`;
  for (const button of $("list").querySelectorAll("button")) {
    const here = Number(button.dataset.index) === index;
    button.toggleAttribute("aria-current", here);
    if (here) reveal(button);
  }
}

// Scrolls the list and not the page, on which the image shall stay where it is.
function reveal(button) {
  const list = $("list");
  const within = (scroll, start, size, room) =>
    Math.min(Math.max(scroll, start + size - room), start);
  list.scrollTop = within(
    list.scrollTop, button.offsetTop, button.offsetHeight, list.clientHeight);
  list.scrollLeft = within(
    list.scrollLeft, button.offsetLeft, button.offsetWidth, list.clientWidth);
}

function step(by) {
  const buttons = [...$("list").querySelectorAll("li:not([hidden]) button")];
  const indices = buttons.map((button) => Number(button.dataset.index));
  const at = indices.indexOf(wanted);
  const next = at < 0 ? (by > 0 ? 0 : indices.length - 1) : at + by;
  if (next >= 0 && next < indices.length) show(indices[next]);
}
