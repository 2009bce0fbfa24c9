// What stands around the image: the way down, the number, the shares.

const $ = (id) => document.getElementById(id);

function refresh() {
  const { node, number } = focus();
  seen = cut(node, number);
  const regions = regionsInOrder();
  const slider = $("number");
  slider.max = tree.leaves[node];
  slider.value = number;
  slider.disabled = tree.leaves[node] === 1;
  slider.setAttribute("aria-valuetext", `${regions.length} regions`);
  $("shown").textContent = regions.length;
  $("up").disabled = steps.length === 1;
  $("regions").setAttribute(
    "aria-label", `${tree.name}: ${called(node)} in ${regions.length} regions`);
  $("path").replaceChildren(...steps.map((one, index) => {
    const item = document.createElement("li");
    const last = index === steps.length - 1;
    const inner = document.createElement(last ? "span" : "button");
    inner.textContent = called(one.node);
    if (last) inner.setAttribute("aria-current", "location");
    else inner.addEventListener("click", () => up(steps.length - 1 - index));
    item.append(inner);
    return item;
  }));
  showShares(regions);
  about(node);
  draw();
}

function showShares(regions) {
  const byKeyboard = $("shares").querySelector(":focus-visible") !== null;
  $("shares").replaceChildren(...regions.map((node) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.node = node;
    button.style.flexGrow = (1000 * tree.areas[node]) / tree.areas[focus().node];
    button.style.background = tree.colors[node];
    button.setAttribute("aria-label", `${called(node)}: ${describe(node)}`);
    button.addEventListener("click", () => down(node));
    button.addEventListener("pointerenter", () => hover(node));
    button.addEventListener("pointerleave", () => hover(null));
    button.addEventListener("focus", () => hover(node));
    button.addEventListener("blur", () => hover(null));
    return button;
  }));
  if (byKeyboard) $("shares").querySelector("button").focus();
}
