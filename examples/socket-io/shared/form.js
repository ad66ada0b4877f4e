const form = document.querySelector('form');
const status = document.querySelector('output');

/** Hands each comment of the form to `send`, and says what became of it. */
export function onComment(send) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { text, mode, size, color } = Object.fromEntries(new FormData(form));
    try {
      await send({ text, mode, size: Number(size), color });
      status.value = 'sent';
      form.elements.text.value = '';
    } catch (error) {
      status.value = error.message;
    }
  });
}
