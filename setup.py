"""Packaging; tested versions are in constraints.txt, tool settings in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = ("hear_plugins", "benchmark", "tasks", "results")

# hear-eval-kit, hearvalidator and torchcrepe themselves pin dead versions, which setup.py cannot
# override: requirements-nodeps.txt installs them, these extras bring what they really need.
EXTRAS = {
    "opensmile": ["opensmile>=2.4"],
    "formats": ["av>=12"],
    "midi": ["pretty_midi>=0.2.9"],
    "wav2vec2": ["transformers>=5.20"],
    "mteb": ["mteb>=2.26,<3", "torchcodec"],
    "figures": ["matplotlib>=3.7"],
    "pandas": ["pandas"],
    "report": ["jinja2>=3.1", "matplotlib>=3.7"],
    "kit": [
        "click",
        "dcase_util>=0.2.20",
        "intervaltree",
        "more-itertools",
        "pandas",
        "python-slugify",
        "pytorch-lightning==1.9.5",
        "scikit-learn>=1.2",
        "sed_eval>=0.2.1",
        "setuptools<81",
        "torchinfo==1.8.0",
        "torchmetrics==1.9.0",
    ],
    "validator": ["tensorflow-cpu"],
    "test": [
        "hypothesis",
        "import-linter",
        "jinja2>=3.1",
        "matplotlib>=3.7",
        "mir_eval",
        "mypy",
        "pytest",
        "pytest-timeout",
        "pytest-xdist",
        "ruff",
        "scikit-learn",
    ],
    "dev": ["pre-commit"],
    "docs": ["furo", "myst-parser", "sphinx", "sphinx-autoapi"],
}

setup(
    name="hear-plugins",
    version="0.1.0",
    description="Audio-embedding models behind the HEAR API, and the benchmark that compares them",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["audio", "embeddings", "representation learning", "benchmark", "HEAR"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    project_urls={
        "HEAR benchmark": "https://hearbenchmark.com",
        "HEAR API": "https://hearbenchmark.com/hear-api.html",
    },
    python_requires=">=3.10",
    packages=find_packages(include=[f"{name}*" for name in PACKAGES]),
    package_data={
        **{name: ["py.typed"] for name in PACKAGES[:3]},
        "benchmark.reports.html": ["page.html.j2", "page.css", "page.js"],
        "results": ["published/*.csv", "published/README.md"],
    },
    entry_points={"console_scripts": ["hear-benchmark = benchmark.cli.main:main"]},
    install_requires=[
        "torch>=2.6",  # before it, weights_only=True could be tricked (CVE-2025-32434)
        "numpy>=1.24",
        "scipy>=1.10",
        "soundfile>=0.12",
        "soxr>=0.3.5",
        "tqdm>=4.62",
        "platformdirs>=3",
        "safetensors>=0.4.3",
        "filelock>=3.10",
    ],
    extras_require=EXTRAS,
)
