"""The model of one's own that `hear-benchmark new` writes and the README shows."""

TEMPLATE = '''\
# {name}.py
import torch


class Model(torch.nn.Module):
    """Log spectrogram: put your own network in its place."""

    sample_rate = 16000  # Hz
    scene_embedding_size = timestamp_embedding_size = 512
    hop_ms = 25

    def forward(self, audio):  # (n_sounds, n_samples) -> (n_sounds, n_frames, 512)
        padded = torch.nn.functional.pad(audio, (512, 512))  # so that frame 0 is centred on 0 ms
        frames = padded.unfold(1, 1024, self.sample_rate * self.hop_ms // 1000)
        spectrum = torch.fft.rfft(frames * torch.hann_window(1024, device=audio.device))
        return torch.log(spectrum[..., :512].abs() + 1e-3)


def load_model(model_file_path=""):
    model = Model()
    if model_file_path:
        model.load_state_dict(torch.load(model_file_path, weights_only=True))
    return model.eval()


def get_timestamp_embeddings(audio, model):
    with torch.no_grad():
        embeddings = model(audio)
    times = model.hop_ms * torch.arange(embeddings.shape[1], device=audio.device)  # ms
    return embeddings, times.float().expand(len(audio), -1)


def get_scene_embeddings(audio, model):
    return get_timestamp_embeddings(audio, model)[0].mean(dim=1)
'''
