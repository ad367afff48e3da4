// The settings page: turns messages in this browser on and off.

const box = document.querySelector("[data-push]");
const { disablePush, enablePush, pushIsOn, pushIsPossible } = await import(box.dataset.module);

const tell = async (path, body) => {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": box.dataset.csrf },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(String(answer.status));
};

const show = async (words) => {
  const isOn = await pushIsOn();
  box.querySelector("[data-on]").hidden = isOn;
  box.querySelector("[data-off]").hidden = !isOn;
  box.querySelector("[data-said]").textContent = words;
};

const said = {
  enabled: "This browser shows your messages from now on.",
  refused: "Your browser does not allow it. Its own settings for this site can change that.",
  impossible: "This browser cannot show messages of sites.",
};

if (pushIsPossible()) {
  box.hidden = false;
  box.querySelector("[data-on]").addEventListener("click", async () => {
    try {
      await show(said[await enablePush(box.dataset.key, (subscription) => tell("/settings/browsers", { subscription }))]);
    } catch {
      await show("That did not work. Try again shortly.");
    }
  });
  box.querySelector("[data-off]").addEventListener("click", async () => {
    try {
      await disablePush((endpoint) => tell("/settings/browsers/forget", { endpoint }));
      await show("This browser shows no messages any more.");
    } catch {
      await show("That did not work. Try again shortly.");
    }
  });
  await show("");
}
