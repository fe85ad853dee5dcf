"""Crawls the metadata service with cloud-init's own code and prints what it found as JSON; user data in base64."""
import base64
import json
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")
from cloudinit import distros, helpers, url_helper  # noqa: E402
from cloudinit.sources import DataSourceEc2 as datasource_ec2  # noqa: E402
from cloudinit.sources.helpers import ec2  # noqa: E402

ADDRESS = "http://169.254.169.254"
VERSION = "2021-03-23"


def crawl():
    def headers(url):
        token = url_helper.readurl(
            ADDRESS + "/latest/api/token",
            request_method="PUT",
            headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
        )
        return {"X-aws-ec2-metadata-token": str(token)}

    user_data = ec2.get_instance_userdata(VERSION, ADDRESS, retries=0, headers_cb=headers)
    return {
        # Without user data cloud-init gives text, with user data bytes.
        "userData": None if user_data == "" else base64.b64encode(user_data).decode(),
        "metaData": ec2.get_instance_metadata(VERSION, ADDRESS, retries=0, headers_cb=headers),
        "identity": ec2.get_instance_identity(VERSION, ADDRESS, retries=0, headers_cb=headers),
        "withoutToken": ec2.get_instance_metadata(VERSION, ADDRESS, retries=0),
    }


def boot(folder):
    # What decides is the SMBIOS identity of the machine, and this is none.
    datasource_ec2.identify_platform = lambda: datasource_ec2.CloudNames.AWS
    paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder})
    distro = distros.fetch("debian")("debian", {}, paths)
    config = {"datasource": {"Ec2": {"metadata_urls": [ADDRESS], "max_wait": 10, "timeout": 5}}}
    source = datasource_ec2.DataSourceEc2(config, distro, paths)
    source.get_data()
    hostname = source.get_hostname(fqdn=True)
    return {
        "instanceId": source.get_instance_id(),
        "hostname": getattr(hostname, "hostname", hostname),
        "keys": source.get_public_ssh_keys(),
        "zone": source.availability_zone,
        "region": source.region,
        "userData": base64.b64encode(source.get_userdata_raw()).decode(),
        "network": source.network_config,
    }


json.dump(crawl() if sys.argv[1] == "crawl" else boot(sys.argv[2]), sys.stdout)
