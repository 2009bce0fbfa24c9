// The keyboard.

const isText = (element) => ["text", "search"].includes(element.type);

function keyDown(event) {
  if (!tree || document.querySelector("dialog[open]")) return;
  if (isText(event.target)) {
    if (event.target === $("called")) inName(event);
    return;
  }
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z" && !event.shiftKey) {
    event.preventDefault();
    undo();
    return;
  }
  if (event.altKey || command) return;
  const act = actionOf(event);
  if (!act) return;
  event.preventDefault();
  act();
}

function actionOf(event) {
  const { key, target } = event;
  const [small, inShares] = [target === $("opacity"), $("shares").contains(target)];
  const onButton = target.closest("button, a, label, summary") && !inShares;
  if (small && key.startsWith("Arrow")) return null;
  if (key === "Enter" && onButton) return null;
  const picked = pickedItems();
  return {
    Escape: back,
    Enter: inShares
      ? () => goInside(Number(target.dataset.node))
      : picked.length === 1 ? () => goInside(picked[0].key) : null,
    ArrowRight: inShares ? () => focusShare(1) : () => setNumber(nextNumber(1)),
    ArrowLeft: inShares ? () => focusShare(-1) : () => setNumber(nextNumber(-1)),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Delete: () => remove(picked),
    Backspace: () => remove(picked),
    ",": () => stepFrame(-1),
    ".": () => stepFrame(1),
    p: play,
    "?": openHelp,
    a: () => pickAll(onShow.map((one) => one.key)),
    m: merge,
    h: hide,
    f: picked.length && canCompare ? findSimilar : null,
    n: picked.length ? () => $("called").select() : null,
    s: openSaving,
  }[key.length === 1 ? key.toLowerCase() : key];
}

// The focus is on the list as a whole, so that no button of it stands out.
function openHelp() {
  for (const one of document.querySelectorAll("#help .clip")) one.hidden = !isClip();
  $("help").showModal();
  $("help").focus();
}

function inName(event) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  if (event.key === "Escape") $("called").value = commonName();
  $("called").blur(); // which gives the name
}
