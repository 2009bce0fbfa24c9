// The keyboard.

function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.type === "search") return;
  const small = event.target === $("opacity");
  const act = {
    Escape: () => up(),
    ArrowRight: small ? null : () => setNumber(nextNumber(1)),
    ArrowLeft: small ? null : () => setNumber(nextNumber(-1)),
    ArrowDown: small ? null : () => step(1),
    ArrowUp: small ? null : () => step(-1),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// The next number of regions that looks different: a split may add more than one.
function nextNumber(by) {
  const { node, number } = focus();
  const count = (value) => new Set(cut(node, value)).size;
  const before = count(number);
  let next = number + by;
  while (next > 1 && next < tree.leaves[node] && count(next) === before) next += by;
  return next;
}
