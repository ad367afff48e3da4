// The part of the settings page that switches web push on and off in this browser.

const card = document.querySelector("#push");
const [button, said] = [card.querySelector("button"), card.querySelector("[role=status]")];
const { disablePush, enablePush, pushIsOn, pushIsPossible } = await import(card.dataset.module);
const words = {
  enabled: "Done: this browser shows your messages now.",
  disabled: "This browser shows no messages any more.",
  refused: "Your browser does not allow it: allow notifications for this page, then try again.",
  impossible: "This browser cannot show messages.",
  failed: "That did not work. Try again.",
};

async function send(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF": card.dataset.csrf };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
}

async function turn() {
  if (await pushIsOn()) {
    await disablePush((endpoint) => send("/settings/push/off", { endpoint }));
    return "disabled";
  }
  return enablePush(card.dataset.key, (subscription) => send("/settings/push", { subscription }));
}

async function show() {
  button.textContent = (await pushIsOn()) ? "No longer show messages here" : "Show messages in this browser";
}

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    said.textContent = words[await turn()];
  } catch {
    said.textContent = words.failed;
  }
  button.disabled = false;
  await show();
});

if (pushIsPossible()) {
  await show();
  card.hidden = false;
}
