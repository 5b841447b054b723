# docker build -t normscope .
# docker run --rm -v "$PWD:/data" normscope train --preset micro --data synthetic:grammar
FROM debian:bookworm-slim
WORKDIR /normscope
COPY script/bootstrap script/packages.txt script/
RUN script/bootstrap
COPY . .
RUN script/build release normscope && cmake --install build/release --prefix /usr/local
WORKDIR /data
ENTRYPOINT ["normscope"]
