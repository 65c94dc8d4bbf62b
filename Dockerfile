# One image for every role: the aggregator and the screen need the base install, the trainer adds torch.
FROM python:3.11-slim
WORKDIR /esper
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY api api
COPY schemas schemas
COPY bus bus
COPY aggregator aggregator
COPY trainer trainer
COPY tui tui
COPY cli cli
ARG EXTRAS=""
RUN pip install --no-cache-dir -c constraints.txt ".${EXTRAS:+[$EXTRAS]}"
ENTRYPOINT ["esper"]
